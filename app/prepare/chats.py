"""Conversations of OpenAI, ShareGPT and their kin as turns that a student can be trained on."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from app.prepare.columns import is_empty, unpack
from app.prepare.tables import RowFault

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "ai": "assistant",
}
"""What speakers are called -> the role."""
UNSUPPORTED = ("tool_calls", "function_call", "reasoning_content", "audio", "refusal")
"""Keys of a turn whose content would be lost."""

Turn = dict[str, str]


def read_asked_turns(value: Any, system: Any) -> list[Turn]:
    """The turns of a conversation up to the last of the user; an answer to it is left out.

    Raises:
        RowFault: see `read_turns`.
    """
    found = unpack(value)
    turns = found if isinstance(found, list) else []
    last = turns[-1] if turns and isinstance(turns[-1], dict) else {}
    if ROLES.get(str(last.get("role", last.get("from"))).strip().casefold()) == "assistant":
        found = turns[:-1]
    return read_turns(found, system, "(not answered)")[:-1]


def read_turns(value: Any, system: Any, answer: Any) -> list[Turn]:
    """The turns of a conversation, which end with the assistant's.

    Args:
        value: a list of turns, or its JSON.
        system: the system prompt of a column of its own, if there is one.
        answer: the last turn of a column of its own, if there is one, where the conversation ends with the user's.

    Raises:
        RowFault: what cannot be trained on.
    """
    found = unpack(value)
    if is_empty(found):
        raise RowFault("the conversation is empty. Fill it in or remove the row")
    if not isinstance(found, list):
        raise RowFault("the conversation is not a list of turns")
    turns = [_turn(turn, number) for number, turn in enumerate(found, 1)]
    if not is_empty(system) and turns[0]["role"] != "system":
        turns.insert(0, {"role": "system", "content": str(system)})
    if not is_empty(answer) and turns[-1]["role"] == "user":
        turns.append({"role": "assistant", "content": str(answer)})
    _refuse_order(turns)
    return turns


def _turn(turn: Any, number: int) -> Turn:
    if not isinstance(turn, dict):
        raise RowFault(f"turn {number} is not an object with a speaker and a text")
    speaker = turn.get("role", turn.get("from"))
    lost = next((key for key in UNSUPPORTED if not is_empty(turn.get(key))), None)
    if lost:
        raise RowFault(f"turn {number} has `{lost}`, which pada cannot train on. Remove the row, or the key")
    if turn.get("weight") == 0 and ROLES.get(str(speaker).casefold()) == "assistant":
        raise RowFault(
            f"turn {number} has the weight 0, and pada knows no weights. Remove the turn or its weight"
        )
    role = ROLES.get(str(speaker).strip().casefold())
    if role is None:
        raise RowFault(f"turn {number} is of the unknown speaker {speaker!r}. Use system, user and assistant")
    return {"role": role, "content": _content(turn, number)}


def _content(turn: dict[str, Any], number: int) -> str:
    content = turn.get("content", turn.get("value", turn.get("text")))
    if isinstance(content, list):
        kinds = {part.get("type") if isinstance(part, dict) else None for part in content}
        if kinds - {"text"}:
            raise RowFault(f"turn {number} has parts that are no text. pada trains on text alone")
        content = "\n".join(str(part.get("text", "")) for part in content)
    if is_empty(content):
        raise RowFault(f"turn {number} is empty. Fill it in or remove the row")
    if not isinstance(content, str):
        raise RowFault(f"the content of turn {number} is not text")
    return content


def _refuse_order(turns: list[Turn]) -> None:
    """Chat templates take system at the start, then user and assistant by turns."""
    roles = [turn["role"] for turn in turns]
    if "system" in roles[1:]:
        raise RowFault(f"turn {roles.index('system', 1) + 1} is the system's; it may only be the first")
    spoken = roles[1:] if roles[0] == "system" else roles
    if not spoken or spoken[-1] != "assistant":
        raise RowFault(
            f"the conversation ends with the {roles[-1]}'s turn. The last must be the assistant's: it is the answer"
        )
    for number, (one, other) in enumerate(pairwise(spoken), 1 + len(roles) - len(spoken)):
        if one == other:
            raise RowFault(
                f"the turns {number} and {number + 1} are both the {one}'s. Join them or remove one"
            )
    if spoken[0] != "user":
        raise RowFault(f"the conversation begins with the {spoken[0]}'s turn. The user's must come first")
