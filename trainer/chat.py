"""How a student's chat template writes a conversation: the same on every day, and the same in training and for replies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
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
UNWRITABLE = (TemplateError, TypeError, ValueError, KeyError, AttributeError)
"""What a template raises at turns that it does not know."""

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
        self.control = ControlTokens.of(tokenizer, self._template)
        """What is text where a turn spells it."""
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
        return str(self._ask(turns))

    def tokens(self, turns: Turns) -> list[int]:
        """The tokens of `prompt`. Only the template's own tokens control the student: where a turn spells one, it is text.

        Raises:
            ValueError, or another of `UNWRITABLE`: the template refuses the turns, or the tokenizer knows no other tokens for
                such a text.
        """
        if any(self.control.spelt_in(turn["content"]) for turn in turns):
            return list(self._ask(turns, tokenize=True, return_dict=False, sanitize_control_tokens=True))
        return list(self._tokenizer(self.prompt(turns), add_special_tokens=False)["input_ids"])

    def _ask(self, turns: Turns, **form: bool) -> Any:
        if self._write(turns, add_generation_prompt=True).rstrip().endswith(THOUGHT):
            return self._apply([*turns, ANSWERED], before_answer(self._template), **form)
        return self._apply(turns, self._template, add_generation_prompt=True, **form)

    def end_of_reply(self) -> int | None:
        """The special token that the template writes after an answer; None if there is none."""
        whole = self._write([ASKED, ANSWERED])
        after = whole[whole.rindex(SENTINEL) + len(SENTINEL) :]
        tail = self._tokenizer(after, add_special_tokens=False)["input_ids"]
        special = {token for token, added in self._tokenizer.added_tokens_decoder.items() if added.special}
        return next((int(token) for token in tail if token in special), None)

    def _write(self, turns: Turns, *, add_generation_prompt: bool = False) -> str:
        return str(self._apply(turns, self._template, add_generation_prompt=add_generation_prompt))

    def _apply(self, turns: Turns, template: str, *, tokenize: bool = False, **form: bool) -> Any:
        asked = joined(turns) if self._joins_system else turns
        content = [
            {**turn, "content": [{"type": "text", "text": turn["content"]}]} if self._parts else dict(turn)
            for turn in asked
        ]
        return self._tokenizer.apply_chat_template(
            content, chat_template=template, tokenize=tokenize, **form, **self._options
        )

    def _fault(self) -> str:
        """Why the template cannot write a question and its answer; empty if it can."""
        try:
            text = self._write([ASKED, ANSWERED])
        except UNWRITABLE as error:
            return reason_of(error)
        return "" if ASKED["content"] in text and SENTINEL in text else "it leaves out what the turns say"

    def _writes_system(self) -> bool:
        """Whether there may be a system turn. Some templates refuse it, others leave it out."""
        try:
            return SYSTEM["content"] in self._write([SYSTEM, ASKED, ANSWERED])
        except UNWRITABLE:
            return False


class ControlTokens:
    """Tokens that control a student, looked for in texts. Some tokenizers have thousands: a pattern of all would be slow."""

    def __init__(self, names: Iterable[str]):
        self._names = frozenset(filter(None, names))
        self._sizes = sorted({len(name) for name in self._names})
        first = "".join(re.escape(sign) for sign in sorted({name[0] for name in self._names}))
        self._first = re.compile(f"[{first}]" if first else "(?!)")

    @classmethod
    def of(cls, tokenizer: Any, template: str = "") -> ControlTokens:
        """The special tokens, and other added ones that a template writes, such as `<think>`."""
        added = [(str(token.content), token.special) for token in tokenizer.added_tokens_decoder.values()]
        return cls(name for name, special in added if special or (name in template and not name.isspace()))

    def spelt_in(self, text: str) -> bool:
        """Whether a text spells one."""
        places = (found.start() for found in self._first.finditer(text))
        return any(text[place : place + size] in self._names for place in places for size in self._sizes)


def before_answer(template: str) -> str:
    """The template, cut where it writes the last `SENTINEL`."""
    # the empty expression keeps the line break that would be trimmed after a block
    return f"{{% set whole %}}{{{{ '' }}}}{template}{{% endset %}}{{{{ whole.rsplit('{SENTINEL}', 1)[0] }}}}"


def without_clock(template: str) -> str:
    """The template with the date of `TODAY` in place of the clock. It may take only plain values, so the clock is a macro."""
    if "strftime_now" not in template:
        return template
    formats = {each: TODAY.strftime(each) for each in re.findall(r"""['"]([^'"]*%[^'"]*)['"]""", template)}
    fixed = f"{json.dumps(formats)}.get(format, {json.dumps(TODAY.strftime('%d %b %Y'))})"
    # the empty expression keeps the line break that would be trimmed after a block
    return f"{{% macro strftime_now(format) %}}{{{{ {fixed} }}}}{{% endmacro %}}{{{{ '' }}}}{template}"


def reason_of(error: Exception) -> str:
    """What a template said, in one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


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
