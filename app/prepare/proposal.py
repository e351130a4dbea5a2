"""The settings of a run that a person chooses before the first one, and the commented YAML that they make.

It is light, because the service imports it.
"""

from __future__ import annotations

import json
import re
from typing import Literal

from pydantic import BaseModel, Field

from graphs.methods import Method
from graphs.teacher.spec import OPENAI

KEY = "OPENAI_API_KEY"
STUDENT = "HuggingFaceTB/SmolLM2-135M-Instruct"
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*(?:://[A-Za-z0-9_./:-]*[A-Za-z0-9_/-])?")
_WORDS = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
"""What YAML does not read as text."""

TEMPLATE = """\
task: {task}{task_note}
# Say what decides doubtful rows. Without this, the teacher drafts a description from train rows.
# task_description: ...
{data}student:
  model: {student:<37} # a hub name, a local folder, a .gguf file, or a name that `pada students` lists
  method: {tuning:<20} # lora, qlora (GPU), or full
  tune: auto                   # finds learning rate and steps on validation, in about eleven trainings; or set
  # learning_rate: 2.0e-4      # these two
  # epochs: 3
  batch_size: 8
  max_length: {max_length:<16} # tokens of a row{longest}
{new_tokens}{teacher}{loop}{budget}seed: {seed}
{embedder}{output}"""

TEACHER = """\
teacher:
{address}  model: {model}
  api_key_env: {key:<15} # the name of the variable that holds the key; never the key itself
"""

LOOP = """\
loop:
  method: {method:<20} # or random, auggpt, ...: docs/concepts/methods.md
  rounds: {rounds}
  synthetic_per_round: {synthetic:<7} # new rows in each round
"""

FOREIGN_NOTE = """\
# Many texts here are not in Latin script, and the built-in embedder knows English only: name one that knows them,
# a sentence-transformers name or folder (docs/guides/embedder.md).
# embedder: intfloat/multilingual-e5-small
"""


class Proposal(BaseModel):
    """The settings of a first run."""

    task: str = Field("classification", max_length=200)
    kind: str = Field("", max_length=200)
    """The task in words."""
    student: str = Field(STUDENT, max_length=1000)
    tuning: Literal["lora", "qlora", "full"] = "lora"
    max_length: int = Field(1024, ge=8, le=1_000_000)
    longest: int | None = Field(None, ge=0, le=1_000_000_000)
    """About how many tokens the longest row has."""
    max_new_tokens: int | None = Field(None, ge=1, le=100_000)
    longest_answer: int | None = Field(None, ge=0, le=1_000_000_000)
    base_url: str = Field(OPENAI, max_length=2000)
    """Empty is OpenAI."""
    model: str = Field("gpt-5-mini", max_length=500)
    api_key_env: str = Field(KEY, max_length=200)
    method: Method = "pada"
    rounds: int = Field(3, ge=1, le=1000)
    synthetic: int = Field(50, ge=1, le=1_000_000)
    """New rows in each round."""
    max_usd: float | None = Field(5.0, ge=0, le=1_000_000_000)
    max_calls: int | None = Field(None, ge=0, le=1_000_000_000)
    max_tokens: int | None = Field(None, ge=0, le=1_000_000_000_000)
    seed: int = Field(0, ge=0, lt=2**32)
    foreign: bool = False
    """Many texts are not in Latin script."""

    @property
    def asks_teacher(self) -> bool:
        """Whether the method needs a teacher."""
        return self.method != "vanilla"


def yaml_text(proposal: Proposal, *, data: str = "", output: str = "") -> str:
    """The commented config.

    Args:
        data, output: the lines of these sections.
    """
    return TEMPLATE.format(
        task=scalar(proposal.task),
        task_note=f"  # {_comment(proposal.kind)}" if proposal.kind not in ("", proposal.task) else "",
        data=data,
        student=scalar(proposal.student),
        tuning=proposal.tuning,
        max_length=proposal.max_length,
        longest=f"; the longest here has about {proposal.longest:,}" if proposal.longest else "",
        new_tokens=_new_tokens(proposal),
        teacher=_teacher(proposal) if proposal.asks_teacher else "",
        loop=_loop(proposal) if proposal.asks_teacher else "loop:\n  method: vanilla\n",
        budget=_budget(proposal) if proposal.asks_teacher else "",
        seed=proposal.seed,
        embedder=FOREIGN_NOTE if proposal.foreign else "",
        output=output,
    )


def scalar(text: str) -> str:
    """A text as YAML reads it back."""
    plain = _PLAIN.fullmatch(text) and text.casefold() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)


def _comment(text: str) -> str:
    return " ".join(text.split())


def _new_tokens(proposal: Proposal) -> str:
    if proposal.max_new_tokens is None:
        return ""
    known = f"; the longest answer has about {proposal.longest_answer:,}" if proposal.longest_answer else ""
    return f"  max_new_tokens: {proposal.max_new_tokens:<12} # tokens of a reply{known}\n"


def _teacher(proposal: Proposal) -> str:
    note = "# or vLLM, Ollama, llama.cpp: any OpenAI-compatible endpoint"
    address = f"  base_url: {scalar(proposal.base_url):<34} {note}\n" if proposal.base_url else ""
    return TEACHER.format(address=address, model=scalar(proposal.model), key=scalar(proposal.api_key_env))


def _loop(proposal: Proposal) -> str:
    return LOOP.format(method=proposal.method, rounds=proposal.rounds, synthetic=proposal.synthetic)


def _budget(proposal: Proposal) -> str:
    usd = proposal.max_usd
    lines = []
    if usd is not None:
        amount = int(usd) if usd == int(usd) else usd
        note = "a hard cap: at it the run pauses. For a model without a known price, set teacher.prices or remove it"
        lines.append(f"  max_usd: {amount:<19} # {note}\n")
    for name in ("max_calls", "max_tokens"):
        if (cap := getattr(proposal, name)) is not None:
            lines.append(f"  {name}: {cap}\n")
    return "budget:\n" + "".join(lines) if lines else ""
