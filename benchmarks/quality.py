"""What quality control catches and what it loses: the judge alone, blind answers alone, and both.

    python TEACHER.py --pool FOLDER/pool.jsonl --port 8399 --noise 0.3 --judge-error 0.15
    python benchmarks/quality.py --teacher http://127.0.0.1:8399/v1 --data FOLDER

FOLDER has the three splits of a classification task, and `pool.jsonl`: the rows that the teacher hands out, some of them
with another row's completion. A written row is sound if the pool has it as it is, else corrupted. One round of the real
loop runs for each setting and seed. Only the student and the embedder are scripted, so that nothing needs torch. The
first requests for a batch are the same in all settings; so are its rows, if the teacher answers by the request alone.

- *caught*: share of the corrupted rows that quality control sent back, of those that passed the free checks.
- *lost*: the same share of the sound rows.
- *wrong*: share of corrupted rows among those that are accepted at the end.

"Whole batches back" is how it was before sound rows of a batch under the threshold were kept. The judge's report then
names no row, which has the same effect.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.config.data import DataSpec, LimitSpec, prepare_data
from benchmarks.loop_student import ScriptedStudent
from benchmarks.peers import arguments, conditions
from graphs.context import Context, LoopSpec
from graphs.loop import build_loop
from graphs.ports import Answer, Role, Teacher
from graphs.rounds import Round
from graphs.rows import NewRow
from graphs.run_paths import RunPaths
from graphs.schemas import QualityReport
from graphs.teacher.chat import ChatTeacher
from graphs.teacher.ledger import Ledger
from graphs.teacher.spec import BudgetSpec, TeacherSpec
from graphs.workspace import Workspace
from trainer.artifacts import read_jsonl, read_models, write_json
from trainer.records import Example
from trainer.specs import StudentSpec
from trainer.tasks import load_task

TASK = "classification"
DESCRIPTION = "Give the one label that fits the input, and nothing else."
DIMENSIONS = 512
ANALYSES = 40
"""Failures that are analysed, and training rows that are predicted: enough for a few patterns to write rows for."""
JUDGED = ("accepted", "surplus", "disputed", "judge", "attempts")
"""Verdicts of the rows that passed the free checks of their batch."""
SENT_BACK = ("disputed", "judge", "attempts")


@dataclass(frozen=True)
class Setting:
    """How the rows are checked."""

    judge: bool = True
    votes: int = 0
    whole: bool = False
    """All rows of a batch under the threshold go back, also where the judge names the bad ones."""


SETTINGS = {
    "free checks only": Setting(judge=False),
    "judge, whole batches back": Setting(whole=True),
    "judge": Setting(),
    "blind, 1 vote": Setting(judge=False, votes=1),
    "blind, 2 votes": Setting(judge=False, votes=2),
    "blind, 3 votes": Setting(judge=False, votes=3),
    "judge, whole batches back, and blind, 3 votes": Setting(votes=3, whole=True),
    "judge and blind, 1 vote": Setting(votes=1),
    "judge and blind, 3 votes": Setting(votes=3),
}


@dataclass(frozen=True)
class WholeBatches:
    """A teacher whose judge names no row of a batch under the threshold, so that the batch goes back whole."""

    teacher: Teacher
    threshold: float

    async def ask(self, role: Role, schema: type[Answer], instructions: str, data: dict[str, Any]) -> Answer:
        """See `graphs.ports.Teacher`."""
        answer = await self.teacher.ask(role, schema, instructions, data)
        if isinstance(answer, QualityReport):
            mean = (answer.adherence + answer.utility + answer.relevance) / 3
            if mean < self.threshold:
                return answer.model_copy(update={"rejected": []})
        return answer


class HashedWords:
    """An embedder without a model: counts of words in 512 places."""

    async def embed(self, texts: list[str]) -> NDArray[np.float32]:
        """See `graphs.ports.Embedder`."""
        vectors = np.full((len(texts), DIMENSIONS), 1e-3, np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            for word in text.lower().split():
                digest = hashlib.sha256(word.encode()).digest()
                vector[int.from_bytes(digest[:4], "big") % DIMENSIONS] += 1
        unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return unit


def is_sound(row: NewRow | Example, pool: set[tuple[str, str]]) -> bool:
    """Whether the pool has the row as it is."""
    return (row.prompt.strip(), row.completion.strip()) in pool


def read_pool(folder: Path) -> set[tuple[str, str]]:
    """Prompt and completion of each row that the teacher may hand out."""
    return {(row["prompt"].strip(), row["completion"].strip()) for row in read_jsonl(folder / "pool.jsonl")}


async def one_round(setting: Setting, seed: int, options: argparse.Namespace, folder: Path) -> dict[str, int]:
    """One round in `folder`; counts of its rows, and of calls and tokens of writer and judge."""
    loop = LoopSpec(
        rounds=1,
        synthetic_per_round=options.rows,
        oversample=1,
        max_analyses=ANALYSES,
        max_train_failures=ANALYSES,
        qc=setting.judge,
        qc_blind=setting.votes,
    )
    context = Context(
        task=TASK,
        task_description=DESCRIPTION,
        student=StudentSpec(tune="off"),
        evaluate_untrained=False,
        loop=loop,
        seed=seed,
    )
    paths = RunPaths(folder)
    limit = LimitSpec(per_class=options.per_class)
    prepare_data(DataSpec(folder=options.data.resolve(), limit=limit), TASK, seed, paths)
    train = read_models(Example, paths.data("train"))
    student = ScriptedStudent(0.0, sorted({row.completion for row in train}))
    spec = TeacherSpec(base_url=options.teacher, model="pool", max_concurrency=16)
    ledger = Ledger(paths.ledger, f"quality-{seed}")
    async with ChatTeacher(spec, BudgetSpec(), ledger, os.environ) as chat:
        teacher: Teacher = WholeBatches(chat, loop.qc_threshold) if setting.whole else chat
        task = load_task(TASK, train)
        workspace = Workspace(teacher, student, HashedWords(), task, loop, paths)
        graph = build_loop(workspace).compile()
        await graph.ainvoke({}, {"max_concurrency": 64, "recursion_limit": 100}, context=context)
        await workspace.aclose()
        cost = chat.totals()
    counts = count_rows(Round(paths, 1), read_pool(options.data))
    paid = [cost.by_role[role] for role in ("generator", "judge") if role in cost.by_role]
    tokens = sum(role["prompt_tokens"] + role["completion_tokens"] for role in paid)
    return counts | {"calls": int(sum(role["calls"] for role in paid)), "tokens": int(tokens)}


def count_rows(current: Round, pool: set[tuple[str, str]]) -> dict[str, int]:
    """Rows of a round: sound and corrupted ones, those sent back, and those accepted at the end.

    The verdicts are those of the batches, before batches are compared with one another.
    """
    counts: Counter[str] = Counter()
    judged = (row for batch in current.batches() for row in current.batch_rows(batch.id))
    for row in judged:
        kind = "sound" if is_sound(row, pool) else "corrupted"
        counts[kind] += row.verdict in JUDGED
        counts[f"{kind}_sent_back"] += row.verdict in SENT_BACK
    for example in current.accepted():
        counts["accepted"] += 1
        counts["accepted_corrupted"] += not is_sound(example, pool)
    return dict(counts)


def summarize(rounds: Iterable[dict[str, int]]) -> dict[str, float | int | None]:
    """Sums over the seeds, and the shares that the table shows; None where there was nothing to count."""
    total: Counter[str] = sum((Counter(counts) for counts in rounds), Counter[str]())

    def share(part: str, whole: str) -> float | None:
        return round(total[part] / total[whole], 4) if total[whole] else None

    return {
        "caught": share("corrupted_sent_back", "corrupted"),
        "lost": share("sound_sent_back", "sound"),
        "wrong": share("accepted_corrupted", "accepted"),
        "calls_per_accepted": share("calls", "accepted"),
        "tokens_per_accepted": share("tokens", "accepted"),
        **dict(total),
    }


def measure(setting: Setting, options: argparse.Namespace) -> dict[str, float | int | None]:
    """A setting over all seeds."""
    rounds = []
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            rounds.append(asyncio.run(one_round(setting, seed, options, Path(folder))))
    return summarize(rounds)


def show(results: dict[str, dict[str, Any]]) -> None:
    """The table."""
    table = Table("setting", "caught", "lost", "wrong", "accepted", "calls a row", "tokens a row", box=None)
    for name, one in results.items():
        shares = (
            "" if one[key] is None else f"{100 * one[key]:.1f} %" for key in ("caught", "lost", "wrong")
        )
        costs = (f"{one['calls_per_accepted'] or 0:.2f}", f"{one['tokens_per_accepted'] or 0:.0f}")
        table.add_row(name, *shares, str(one.get("accepted", 0)), *costs)
    Console(width=140).print(table, highlight=False)


def main() -> None:
    """Measure, write the results, and print them."""
    parser = arguments(__doc__, "quality.json")
    parser.add_argument("--teacher", required=True, help="base URL; it hands out rows of the pool")
    parser.add_argument("--data", type=Path, required=True, help="with the three splits and pool.jsonl")
    parser.add_argument("--rows", type=int, default=300, help="rows asked for in each round")
    parser.add_argument("--per-class", type=int, default=3, help="given rows of each label")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS), metavar="NAME")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    os.environ.setdefault("OPENAI_API_KEY", "none")
    before = conditions(options.data, options.rows) | {
        "per_class": options.per_class,
        "seeds": options.seeds,
    }
    results = {name: measure(SETTINGS[name], options) for name in options.settings}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    write_json(options.output, before | {"settings": results})
    show(results)


if __name__ == "__main__":
    main()
