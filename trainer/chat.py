"""How a student's chat template writes a conversation: the same on every day, and the same in training and for replies."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from jinja2 import TemplateError

from trainer.specs import StudentSpec
from trainer.weights import ModelError

SENTINEL = "reply"
"""Stands for the answer when we look up what the template writes around it."""
TODAY = datetime(2024, 7, 26, tzinfo=UTC)
"""The date that templates are told: that of Llama's templates without a clock. With the real one, a run would train and
answer with other prompts on another day."""
THOUGHT = "<think>"
"""Begins the reasoning of a reply."""

Turns = Sequence[dict[str, str]]
SYSTEM = {"role": "system", "content": "instruction"}
ASKED = {"role": "user", "content": "question"}
ANSWERED = {"role": "assistant", "content": SENTINEL}


class ChatTemplate:
    """The chat template of a tokenizer, however it wants its turns.

    Args:
        tokenizer: a Hugging Face tokenizer with a chat template.
        student: `template_kwargs` are passed on.

    Raises:
        ModelError: the template does not write a question and its answer.
    """

    def __init__(self, tokenizer: Any, student: StudentSpec):
        self._tokenizer = tokenizer
        self._template = without_clock(tokenizer.get_chat_template())
        self._options = student.template_kwargs
        self._parts, self._joins_system = False, False
        reason = self._fault()
        if reason:
            # templates of models that see pictures want a list of parts
            self._parts = True
            if self._fault():
                raise ModelError(
                    f"The chat template of {student.model!r} cannot be used: {reason}. Set `student.template: plain`, or give "
                    "the template what it asks for in `student.template_kwargs`."
                )
        self._joins_system = not self._writes_system()

    def prompt(self, turns: Turns) -> str:
        """The text after which the answer begins.

        Some templates open a thought there. Our answers have none, so such a prompt ends where the template writes an
        answer that is already known.
        """
        text = self._write(turns, add_generation_prompt=True)
        if not text.rstrip().endswith(THOUGHT):
            return text
        whole = self._write([*turns, ANSWERED])
        return whole[: whole.rindex(SENTINEL)]

    def end_of_reply(self) -> int | None:
        """The special token that the template writes after an answer; None if there is none."""
        whole = self._write([ASKED, ANSWERED])
        after = whole[whole.rindex(SENTINEL) + len(SENTINEL) :]
        tail = self._tokenizer(after, add_special_tokens=False)["input_ids"]
        special = {token for token, added in self._tokenizer.added_tokens_decoder.items() if added.special}
        return next((int(token) for token in tail if token in special), None)

    def _write(self, turns: Turns, *, add_generation_prompt: bool = False) -> str:
        asked = joined(turns) if self._joins_system else turns
        content = [
            {**turn, "content": [{"type": "text", "text": turn["content"]}]} if self._parts else dict(turn)
            for turn in asked
        ]
        return str(
            self._tokenizer.apply_chat_template(
                content,
                chat_template=self._template,
                tokenize=False,
                add_generation_prompt=add_generation_prompt,
                **self._options,
            )
        )

    def _fault(self) -> str:
        """Why the template cannot write a question and its answer; empty if it can."""
        try:
            text = self._write([ASKED, ANSWERED])
        except (TemplateError, TypeError, ValueError, KeyError, AttributeError) as error:
            return " ".join(str(error).split())[:200] or type(error).__name__
        return "" if ASKED["content"] in text and SENTINEL in text else "it leaves out what the turns say"

    def _writes_system(self) -> bool:
        """Whether there may be a system turn. Some templates refuse it, others leave it out."""
        try:
            return SYSTEM["content"] in self._write([SYSTEM, ASKED, ANSWERED])
        except (TemplateError, TypeError, ValueError, KeyError, AttributeError):
            return False


def without_clock(template: str) -> str:
    """The template with the date of `TODAY` in place of the clock. It may take only plain values, so the clock is a macro."""
    if "strftime_now" not in template:
        return template
    formats = {each: TODAY.strftime(each) for each in re.findall(r"""['"]([^'"]*%[^'"]*)['"]""", template)}
    fixed = f"{json.dumps(formats)}.get(format, {json.dumps(TODAY.strftime('%d %b %Y'))})"
    # the empty expression keeps the line break that would be trimmed after a block
    return f"{{% macro strftime_now(format) %}}{{{{ {fixed} }}}}{{% endmacro %}}{{{{ '' }}}}{template}"


def joined(turns: Turns) -> Turns:
    """The turns with the system turn at the beginning of the user's."""
    if len(turns) < 2 or turns[0]["role"] != "system":
        return turns
    first = {**turns[1], "content": f"{turns[0]['content']}\n\n{turns[1]['content']}"}
    return [first, *turns[2:]]


def uses_chat(tokenizer: Any, student: StudentSpec) -> bool:
    """Whether prompts go through the tokenizer's chat template."""
    return student.template == "chat" or (student.template == "auto" and bool(tokenizer.chat_template))


def without_thought(text: str) -> str:
    """A reply without the reasoning before it. Reasoning that never ends leaves nothing."""
    opened = text.lstrip()
    if not opened.startswith(THOUGHT):
        return text
    return opened.partition("</think>")[2].lstrip()
