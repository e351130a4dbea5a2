"""The student on a Ray cluster: the trainer as a Ray job that outlives us, and is found again.

A run has one job at a time, and `RUN/job.json` says which. It is written before the job is submitted, and the job's name
comes from the run, the folder and a number, so that whoever submits it again finds it there: Ray refuses a second job
of a name. A job that is over without a report is followed by one with the next number, which goes on from the last
checkpoint.

Who may write is settled job by job, not owner by owner. The lease's token would end a job with the process that started
it, and the next owner is to find it at work. So a job is fenced by its number: `RUN/.jobs` has a file for each, and a
job that Ray has lost sight of is refused on its next write once a later one was started. Only the run's present owner
may give out a number (`_next`).

A run that stops in good order (cancelled, paused, drained) stops its job; the next one goes on from the checkpoint. A
process that is killed, or loses its lease, leaves the job at work.
"""

from __future__ import annotations

import asyncio
import logging
import shlex
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

from app.errors import ConfigError
from app.launchers.ray_jobs import Cluster, Job
from app.launchers.trainer_process import Launcher, end_of, furthest, last_word, pass_on
from app.settings import Settings
from graphs.errors import ClusterDown, TrainerError
from trainer.artifacts import read_json, write_json
from trainer.fencing import Fence
from trainer.specs import PredictSpec, Progress, TrainSpec

log = logging.getLogger("pada.ray")

POLL_SECONDS = 1.0
SEEN_SECONDS = 60.0
"""How long a file that a node has written may take until it is seen here."""
LAST_PATIENCE_SECONDS = 8.0
"""How long a cluster is waited for by a process that is asked to end."""
LOSSES = 5
"""Jobs in a row that may be lost without getting any further; then the work has failed."""
SUPERSEDED = 3
"""The trainer's exit code for a number that is not the last any more."""
NO_ROOM = "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"


class RayJobRecord(BaseModel):
    """`RUN/job.json`: the run's job."""

    name: str
    """Its submission id."""
    number: int
    folder: Path
    """Where it leaves its report."""
    session: str
    """Of the cluster that it was made for."""


class RayStudent(Launcher):
    """Runs `trainer.finetune` and `trainer.predict` as Ray jobs.

    Args:
        root: the run's folder; every node must see it at this path.
        listen: called with every line of the trainer's progress.
        fence: who may submit jobs of this run, where it may go from one process to another.
    """

    def __init__(
        self,
        settings: Settings,
        cluster: Cluster,
        run_id: str,
        root: Path,
        listen: Callable[[Progress], None],
        fence: Fence | None = None,
    ):
        self._settings, self._cluster = settings, cluster
        self._run_id, self._root, self._listen, self._fence = run_id, root, listen, fence
        self._turn = asyncio.Lock()

    async def work(self, module: str, processes: int, spec: TrainSpec | PredictSpec) -> None:
        """See a job through to its report.

        Raises:
            ClusterDown: the cluster stayed away, or had no room.
            ConfigError: its address or its token is wrong.
            TrainerError: the trainer failed.
        """
        async with self._turn:
            await self._finish(module, processes, spec)
            await appear(spec.output / "report.json")

    async def _finish(self, module: str, processes: int, spec: TrainSpec | PredictSpec) -> None:
        """See a job through to its success; one that was lost is followed by the next."""
        progress = spec.output / "progress.jsonl"
        losses, best, last = 0, furthest(progress), ""
        while losses < LOSSES:
            record = await self._current_job(spec)
            position = end_of(progress)
            try:
                await self._submit(record, module, processes)
                job = await self._follow(record, position)
            except asyncio.CancelledError:
                # a run of the service may only have lost its lease: its worker knows, and ends the job if it is to end
                if self._fence is None:
                    await end_job(self._settings, self._root)
                raise
            last = job.said
            if job.status == "SUCCEEDED":
                return
            if job.error_type == NO_ROOM:
                raise ClusterDown(f"The Ray cluster has no room for {record.name}: {last}")
            if not lost(job):
                raise TrainerError(why(job, progress))
            log.warning("The Ray job %s was lost: %s", record.name, last)
            reached = furthest(progress)
            losses, best = 1 if reached > best else losses + 1, reached
        raise TrainerError(f"The trainer's Ray job was lost {LOSSES} times at the same place: {last}")

    async def _current_job(self, spec: TrainSpec | PredictSpec) -> RayJobRecord:
        """The job that is at work on this folder, or the next one."""
        session = await self._cluster.session()
        last = read_job_record(self._root)
        if last and (last.folder, last.session) == (spec.output, session):
            job = await self._cluster.find(last.name)
            if job is None or not job.over:
                return last
        return self._next_job(last, session, spec)

    def _next_job(
        self, last: RayJobRecord | None, session: str, spec: TrainSpec | PredictSpec
    ) -> RayJobRecord:
        if self._fence:
            self._fence.check()
        number = last.number + 1 if last else 1
        where = "-".join(spec.output.relative_to(self._root).parts)
        record = RayJobRecord(
            name=f"pada-{self._run_id}-{where}-{number}", number=number, folder=spec.output, session=session
        )
        fence = Fence(folder=self._root / ".jobs", token=number)
        fence.take()
        write_json(spec_file(record), spec.model_copy(update={"fence": fence}))
        write_json(self._root / "job.json", record)
        return record

    async def _submit(self, record: RayJobRecord, module: str, processes: int) -> None:
        settings = self._settings
        submitting = asyncio.create_task(
            self._cluster.submit(
                record.name,
                entrypoint(record, settings, module, processes),
                cpus=settings.ray_cpus * processes,
                gpus=settings.ray_gpus * processes,
            )
        )
        try:
            await asyncio.shield(submitting)
        except asyncio.CancelledError:
            # only what is there can be stopped
            await asyncio.wait({submitting}, timeout=LAST_PATIENCE_SECONDS)
            raise

    async def _follow(self, record: RayJobRecord, position: int) -> Job:
        """Pass on progress until the job is over."""
        while True:
            job = await self._cluster.find(record.name)
            position = pass_on(record.folder / "progress.jsonl", position, self._listen)
            if job is None:
                return Job(
                    submission_id=record.name, status="STOPPED", message="The cluster was started anew."
                )
            if job.over:
                return job
            await asyncio.sleep(POLL_SECONDS)


def read_job_record(root: Path) -> RayJobRecord | None:
    """The run's last job, if it had any."""
    path = root / "job.json"
    return RayJobRecord(**read_json(path)) if path.exists() else None


def spec_file(record: RayJobRecord) -> Path:
    """The spec of a job, a file of its own: an earlier job that starts late must not read a later number."""
    return record.folder / f"spec-{record.number}.json"


def entrypoint(record: RayJobRecord, settings: Settings, module: str, processes: int) -> str:
    """A job's command; the node says what the trainer is told of it."""
    # Ray would give each process the threads of all, and Python would look for pada where Ray was started
    told = [f"OMP_NUM_THREADS={max(1, int(settings.ray_cpus))}", "PYTHONSAFEPATH=1"]
    program = ["-m", "app.launchers.trainer_process", module, str(processes), str(spec_file(record))]
    return shlex.join(["exec", "env", *told, settings.ray_python, *program])


def lost(job: Job) -> bool:
    """Whether a job did not end by itself: its node went, it was killed, or somebody stopped it."""
    code = job.driver_exit_code
    return job.status == "STOPPED" or code is None or code < 0 or code == SUPERSEDED


def why(job: Job, progress: Path) -> str:
    """The trainer's own last word, or Ray's."""
    return last_word(progress) or (
        f"The trainer failed with exit code {job.driver_exit_code}: {job.said} "
        f"`ray job logs {job.submission_id}` shows the rest."
    )


async def appear(report: Path) -> None:
    """Wait for a report that a node has written.

    Raises:
        TrainerError: it does not come.
    """
    for _ in range(int(SEEN_SECONDS / POLL_SECONDS)):
        if await asyncio.to_thread(report.exists):
            return
        await asyncio.sleep(POLL_SECONDS)
    raise TrainerError(
        f"The Ray job has ended well, and {report} is not there: every node must see the run's folder at this path."
    )


async def end_job(settings: Settings, root: Path) -> None:
    """Stop what a run that is given up has left at work. Where that cannot be done, the log says so."""
    record = read_job_record(root)
    if record is None or settings.launcher != "ray":
        return
    try:
        async with Cluster(settings, patience=LAST_PATIENCE_SECONDS) as cluster:
            await cluster.stop(record.name)
    except (ClusterDown, ConfigError, TrainerError) as error:
        log.warning("The Ray job %s may go on: %s", record.name, error)
