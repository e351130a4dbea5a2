"""The config that is written: every line that a person may want to change, with a word on it."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence

from app.prepare.drafts import Draft
from app.prepare.plan import Plan
from trainer.tasks import load_task

MAX_LENGTHS = (256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
MAX_NEW = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
FOREIGN = 0.2
"""Share of letters that are not Latin from which the default embedder, which knows English, is blind."""

KEY = "OPENAI_API_KEY"

HEADER = """\
# Written by `pada init`. Every key is explained in docs/guides/configuration.md.
# Before the first run: set the teacher's address and model below, and its key in the environment.
#   export {key}=...
#   pada check {name}          # what is wrong with the rows, and what a run takes
#   pada run {name}

"""

DATA = """\
data:
  folder: data                 # {counts}
"""

POOL = """\
  unlabeled: data/unlabeled.jsonl  # {rows:,} without answers; half of the new rows are such that the teacher answers (loop.sources)
"""

OUTPUT = "output: runs/first\n"

TEMPLATE = """\
{header}task: {task}{task_note}
# Say what decides doubtful rows. Without this, the teacher drafts a description from train rows.
# task_description: ...
{data}student:
  model: HuggingFaceTB/SmolLM2-135M-Instruct   # a hub name, a local folder, a .gguf file, or builtin:smollm2-135m
  method: lora                 # lora, qlora (GPU), or full
  tune: auto                   # finds learning rate and steps on validation, in about eleven trainings; or set
  # learning_rate: 2.0e-4      # these two
  # epochs: 3
  batch_size: 8
  max_length: {max_length:<16} # tokens of a row; the longest here has about {longest:,}
{new_tokens}teacher:
  base_url: https://api.openai.com/v1          # or vLLM, Ollama, llama.cpp: any OpenAI-compatible endpoint
  model: gpt-5-mini
  api_key_env: {key}  # the name of the variable that holds the key; never the key itself
loop:
  rounds: 3
  synthetic_per_round: {synthetic:<7} # new rows in each round
budget:
  max_usd: 5                   # a hard cap: at it the run pauses. For a model without a known price, set teacher.prices or remove it
seed: {seed}
{embedder}{output}"""


def config_text(plan: Plan, seed: int, name: str = "config.yaml", *, served: bool = False) -> str:
    """The YAML text of a config that runs these rows as they are.

    Args:
        served: for a service, which has places of its own for rows and runs.
    """
    rows = [draft for split in plan.rows.values() for draft in split]
    longest = max(map(row_tokens, rows))
    train = len(plan.rows["train"])
    counts = ", ".join(f"{len(drafts):,} {split}" for split, drafts in plan.rows.items())
    return TEMPLATE.format(
        key=KEY,
        header="" if served else HEADER.format(key=KEY, name=name),
        data="" if served else DATA.format(counts=counts) + pool_line(plan),
        output="" if served else OUTPUT,
        task=plan.task.name if ":" not in plan.task.name else json.dumps(plan.task.name),
        task_note=f"  # {plan.task.kind}" if plan.task.kind != plan.task.name else "",
        max_length=_at_least(longest, MAX_LENGTHS),
        longest=longest,
        new_tokens=_new_tokens(plan, rows),
        synthetic=min(200, max(20, train // 4)),
        seed=seed,
        embedder=_embedder(rows),
    )


def pool_line(plan: Plan) -> str:
    """The file of rows without answers, if there is one."""
    return POOL.format(rows=len(plan.unlabeled)) if plan.unlabeled else ""


def text_tokens(text: str) -> int:
    """About how many tokens a text has; rather too many: three letters a token, or one sign of other scripts."""
    ascii_signs = sum(sign.isascii() for sign in text)
    return ascii_signs // 3 + 2 * (len(text) - ascii_signs) + 1


def row_tokens(draft: Draft) -> int:
    """About how many tokens a whole row has, its template included."""
    return text_tokens(f"{draft.system}{draft.asked}{draft.answer}") + 40


def _at_least(tokens: int, steps: Sequence[int]) -> int:
    return next((step for step in steps if step >= tokens), steps[-1])


def _new_tokens(plan: Plan, rows: Sequence[Draft]) -> str:
    """A line where the task's own limit would cut answers off."""
    longest = max(text_tokens(draft.answer) for draft in rows)
    own = load_task(plan.task.name).max_new_tokens
    if longest <= own or plan.task.name == "multiple_choice":
        return ""
    return f"  max_new_tokens: {_at_least(longest, MAX_NEW):<12} # tokens of a reply; the longest answer has about {longest:,}\n"


def foreign_share(rows: Sequence[Draft]) -> float:
    """Share of the letters that are not Latin, in up to 2000 rows."""
    letters = [
        sign for draft in rows[:: max(1, len(rows) // 2000)] for sign in draft.asked[:300] if sign.isalpha()
    ]
    foreign = sum(
        not sign.isascii() and not unicodedata.name(sign, "").startswith("LATIN") for sign in letters
    )
    return foreign / max(len(letters), 1)


def _embedder(rows: Sequence[Draft]) -> str:
    if foreign_share(rows) < FOREIGN:
        return ""
    return (
        "# Many texts here are not in Latin script, and the built-in embedder knows English only: name one that knows them,\n"
        "# a sentence-transformers name or folder.\n"
        "# embedder: sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2\n"
    )
