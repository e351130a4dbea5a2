"""The config that is written: every line that a person may want to change, with a word on it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from app.prepare.drafts import Draft
from app.prepare.plan import Plan
from app.prepare.proposal import KEY, Proposal, yaml_text
from trainer.tasks import load_task

MAX_LENGTHS = (256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
MAX_NEW = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
FOREIGN = 0.2
"""Share of letters that are not Latin from which the default embedder, which knows English, is blind."""

HEADER = """\
# Written by `pada init`. Every key is explained in docs/guides/configuration.md.
# Before the first run: set the teacher's address and model below, and its key in the environment.
#   export {key}=...
#   pada check config.yaml          # what is wrong with the rows, and what a run takes
#   pada run config.yaml

"""

DATA = """\
data:
  folder: data                 # {counts}
"""

POOL = """\
  unlabeled: data/unlabeled.jsonl  # {rows:,} without answers; half of the new rows are such that the teacher answers (loop.sources)
"""

OUTPUT = "output: runs/first\n"


def config_text(plan: Plan, seed: int, *, served: bool = False) -> str:
    """The YAML text of a config that runs these rows as they are.

    Args:
        served: for a service, which has places of its own for rows and runs.
    """
    proposal = propose(plan, seed)
    if served:
        return yaml_text(proposal)
    counts = ", ".join(f"{len(drafts):,} {split}" for split, drafts in plan.rows.items())
    header, data = HEADER.format(key=KEY), DATA.format(counts=counts) + pool_line(plan)
    return header + yaml_text(proposal, data=data, output=OUTPUT)


def propose(plan: Plan, seed: int) -> Proposal:
    """The settings of a run on these rows."""
    rows = [draft for split in plan.rows.values() for draft in split]
    longest, answer = max(map(row_tokens, rows)), max(text_tokens(draft.answer) for draft in rows)
    return Proposal(
        task=plan.task.name,
        kind=plan.task.kind,
        max_length=_at_least(longest, MAX_LENGTHS),
        longest=longest,
        max_new_tokens=_new_tokens(plan, answer),
        longest_answer=answer,
        synthetic=min(200, max(20, len(plan.rows["train"]) // 4)),
        seed=seed,
        foreign=foreign_share(rows) >= FOREIGN,
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


def _new_tokens(plan: Plan, longest: int) -> int | None:
    """A limit where the task's own would cut answers off."""
    if longest <= load_task(plan.task.name).max_new_tokens or plan.task.name == "multiple_choice":
        return None
    return _at_least(longest, MAX_NEW)


def foreign_share(rows: Sequence[Draft]) -> float:
    """Share of the letters that are not Latin, in up to 2000 rows."""
    letters = [
        sign for draft in rows[:: max(1, len(rows) // 2000)] for sign in draft.asked[:300] if sign.isalpha()
    ]
    foreign = sum(
        not sign.isascii() and not unicodedata.name(sign, "").startswith("LATIN") for sign in letters
    )
    return foreign / max(len(letters), 1)
