"""Runs the runs of a comparison: first all up to their last round, then the test rows of all."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

from app.compare.record import run_paths, write_record
from app.compare.spec import VANILLA, Comparison
from app.config.data import DataSpec, prepare_data
from app.config.run_config import RunConfig
from app.config.splits import SPLITS, UNLABELED
from app.engine.events import Event, RoundScore
from app.engine.run_folder import open_run, owned
from app.engine.run_store import FolderRunStore
from app.engine.runner import Runner
from app.engine.wiring import RunOptions
from app.errors import PadaError
from app.launchers.devices import places
from app.launchers.forks import ForkServer
from app.launchers.local import trainer_forks
from graphs.errors import Wait
from graphs.ports import Student
from graphs.report import Report
from graphs.run_paths import RoundPaths, RunPaths
from graphs.teacher.network import ANYWHERE, Network
from trainer.artifacts import read_json, write_json
from trainer.fencing import Fence

T = TypeVar("T")
Job = tuple[str, int]
"""A method and a seed."""
Listener = Callable[[Job, Event], None]


class ComparisonPaused(PadaError):  # noqa: N818
    """A run waits for something. All go on when the comparison is started again."""

    def __init__(self, message: str, waiting_for: Wait | None):
        super().__init__(message)
        self.waiting_for = waiting_for


class Runs:
    """The runs of one comparison in one folder. A second call on the same folder continues them.

    Args:
        listen: receives the events of all runs.
        student: None is the trainer that the settings name.
        owner: id of the API key that may see the comparison on a service; empty is nobody but admins.
        network: where teachers may live.
        fence: who may write, for a comparison that can go from one process to another.
    """

    def __init__(
        self,
        comparison: Comparison,
        root: Path,
        listen: Listener,
        student: Student | None = None,
        owner: str = "",
        *,
        network: Network = ANYWHERE,
        fence: Fence | None = None,
    ):
        self.root, self.jobs = root, list(comparison.configs)
        self.places = len(places())
        """Number of runs at a time."""
        self._comparison, self._listen, self._student = comparison, listen, student
        self._owner, self._network, self._store = owner, network, FolderRunStore(fence)
        self._free = asyncio.Semaphore(self.places)
        self._baselines = {seed: asyncio.Event() for seed in comparison.spec.seeds}
        self._steps: int | None = None
        self._forks: ForkServer | None = None

    @property
    def base(self) -> RunConfig:
        """The config without `compare`."""
        return self._comparison.base

    @property
    def reference(self) -> str | None:
        """The method that all others are compared with, beside `vanilla`."""
        return self._comparison.spec.reference

    @property
    def trainings(self) -> int:
        """Students that are trained: a baseline for each seed, and one in each round of each run."""
        return len(self._comparison.spec.seeds) + sum(
            config.loop.last_round for config in self._comparison.configs.values()
        )

    def paths(self, job: Job) -> RunPaths:
        """The folder of a run."""
        return run_paths(self.root, *job)

    async def run(self) -> dict[Job, Report]:
        """Run all to their end.

        The first run of a seed trains the baseline, and the others copy it. Test rows are opened after the
        last round of the last method, so that nothing can be chosen by them.

        Raises:
            ComparisonPaused: a run waits for a budget or its teacher.
            PadaError, LoopError, DataError: a run cannot go on.
        """
        with owned(self.root):
            async with aclosing(trainer_forks()) as self._forks:
                return await self._run()

    async def _run(self) -> dict[Job, Report]:
        self.prepare()
        write_record(self.root, self._comparison, self._owner)
        firsts = {seed: self.first(seed) for seed in self._comparison.spec.seeds}
        await together(self._rounds(job, firsts[job[1]]) for job in self.jobs)
        reports = await self._test(list(firsts.values()))
        others = [job for job in self.jobs if job not in reports]
        for job in others:
            self._take(job, firsts[job[1]], share_test)
        reports |= await self._test(others)
        return {job: reports[job] for job in self.jobs}

    def prepare(self) -> dict[str, int]:
        """Write the rows that all runs share, and set the optimizer steps. Returns the rows by split."""
        base = self._comparison.base
        rows = prepare_data(base.data, base.task, base.seed, RunPaths(self.root)).rows
        self._steps = self._comparison.steps(rows["train"])
        return rows

    async def _rounds(self, job: Job, first: Job) -> None:
        """All rounds of a run, once the baseline of its seed is there."""
        known = self._baselines[job[1]]
        if job != first:
            await known.wait()
            self._take(job, first, share_baseline)
        elif self.paths(job).round(0).gate.exists():
            known.set()
        await self._go(job, sealed=True)

    async def _test(self, jobs: list[Job]) -> dict[Job, Report]:
        return dict(zip(jobs, await together(self._go(job, sealed=False) for job in jobs), strict=True))

    def _hear(self, job: Job, event: Event) -> None:
        self._listen(job, event)
        if isinstance(event, RoundScore):
            self._baselines[job[1]].set()

    def first(self, seed: int) -> Job:
        """The run of a seed that trains the baseline. It predicts train rows if any run needs that."""
        jobs = [job for job in self.jobs if job[1] == seed]
        looks = [job for job in jobs if "train_error" in self._comparison.configs[job].loop.origins]
        return (looks or [job for job in jobs if job[0] != VANILLA] or jobs)[0]

    def config(self, job: Job) -> RunConfig:
        """A run's config with the shared rows and, with equal steps, the shared number of steps."""
        config = self._comparison.configs[job]
        shared = [*SPLITS, *([UNLABELED] if config.data.unlabeled else [])]
        files: Any = {split: RunPaths(self.root).data(split) for split in shared}
        # all students of a comparison are trained alike, with the learning rate of its config
        student = config.student.model_copy(update={"steps": self._steps, "tune": "off"})
        # the teacher would be asked anew in each run
        alike = {"student": student, "evaluate_teacher": False}
        return config.model_copy(update={"data": DataSpec(**files), "output": None} | alike)

    def _take(self, job: Job, first: Job, share: Callable[[RunPaths, RunPaths], None]) -> None:
        with owned(self.paths(job).root) as paths:
            open_run(paths, self.config(job))
            share(self.paths(first), paths)

    async def _go(self, job: Job, sealed: bool) -> Report:
        async with self._free:
            runner = Runner(
                self.config(job),
                self.paths(job).root,
                lambda event: self._hear(job, event),
                RunOptions(
                    store=self._store,
                    student=self._student,
                    sealed=sealed,
                    network=self._network,
                    name=f"{self.root.name}/{job[0]}/seed-{job[1]}",
                    forks=self._forks,
                ),
            )
            report = await runner.run()
        if report.status == "paused" and report.waiting_for != "comparison":
            name, seed = job
            raise ComparisonPaused(
                f"{name}, seed {seed}: {report.stopped} Start the comparison again to go on.",
                report.waiting_for,
            )
        return report


async def together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of all, in their order. The first error stops the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]


def share_baseline(source: RunPaths, target: RunPaths) -> None:
    """Copy the baseline of another run with the same rows, student and seed."""
    given, copied = source.round(0), target.round(0)
    if copied.student.exists():
        return
    for name in ("validation", "train"):
        if given.predictions(name).exists():
            copied.predictions(name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(given.predictions(name), copied.predictions(name))
    copy_student(given, copied)


def copy_student(given: RoundPaths, copied: RoundPaths) -> None:
    """Copy the files of a training: all of them or none."""
    part = copied.student.with_name("student.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(given.student, part)
    report = read_json(part / "report.json")
    report["artifact"] = str(copied.student / Path(report["artifact"]).relative_to(given.student))
    write_json(part / "report.json", report)
    part.rename(copied.student)


def share_test(source: RunPaths, target: RunPaths) -> None:
    """Copy the replies to the test rows of the students that all runs of a seed share."""
    for name in ("untrained", "baseline"):
        given, copied = source.test_predictions(name), target.test_predictions(name)
        if given.exists() and not copied.exists():
            copied.parent.mkdir(parents=True, exist_ok=True)
            part = copied.with_suffix(".part")
            shutil.copy(given, part)
            part.rename(copied)
