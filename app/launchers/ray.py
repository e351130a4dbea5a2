"""The student on a Ray cluster: the trainer runs as a Ray job, which outlives this process and is found again.

A run has one job at a time, recorded in `RUN/job.json`. The record is written before the job is submitted. The job's
name is made of the run, the folder and a number, and Ray refuses a second job with the same name; so a process that
submits the job again finds the one that is there. When a job ends without a report, a job with the next number
continues from the last checkpoint.

Writes are fenced by job, not by owner. The lease's token would end a job together with the process that started it, but
the next owner should find the job still running. So the fence is the job's number: `RUN/.jobs` has a file for each
number, and a job that Ray has lost track of is refused on its next write once a later job was started. Only the
run's current owner may assign a number (`_next_job`).

A run that stops in an orderly way (cancelled, paused, drained) stops its job; the next job continues from the
checkpoint. A process that is killed, or loses its lease, leaves the job running.
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
from trainer.artifacts import read_model, write_json
from trainer.fencing import Fence
from trainer.progress import Progress
from trainer.specs import PredictSpec, TrainSpec

log = logging.getLogger("pada.ray")

POLL_SECONDS = 1.0
SEEN_SECONDS = 60.0
"""How long a file that a node has written may take to become visible on this machine."""
LAST_PATIENCE_SECONDS = 8.0
"""How long a process that is asked to end waits for a cluster."""
LOSSES = 5
"""Number of jobs in a row that may be lost without progress before the work fails."""
SUPERSEDED = 3
"""The trainer's exit code when a job with a later number was started."""
NO_ROOM = "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"


class RayJobRecord(BaseModel):
    """`RUN/job.json`: the run's job."""

    name: str
    """Its submission id."""
    number: int
    folder: Path
    """The folder that receives its report."""
    session: str
    """The cluster's session in which it was submitted."""


class RayStudent(Launcher):
    """Runs `trainer.finetune` and `trainer.predict` as Ray jobs.

    Args:
        root: the run's folder; every node must see it at this path.
        listen: called with every line of the trainer's progress.
        fence: who may submit jobs of this run, where it may go from one process to another.
        task_folder: see `TrainSpec.task_folder`; every node must see it at this path.
    """

    def __init__(
        self,
        settings: Settings,
        cluster: Cluster,
        run_id: str,
        root: Path,
        listen: Callable[[Progress], None],
        fence: Fence | None = None,
        task_folder: Path | None = None,
    ):
        self._settings, self._cluster = settings, cluster
        self._run_id, self._root, self._listen, self._fence = run_id, root, listen, fence
        self._task_folder = task_folder
        self._turn = asyncio.Lock()

    async def work(self, module: str, processes: int, spec: TrainSpec | PredictSpec) -> None:
        """Run jobs until there is a report.

        Raises:
            ClusterDown: the cluster stayed unreachable, or had no room.
            ConfigError: its address or its token is wrong.
            TrainerError: the trainer failed.
        """
        async with self._turn:
            await self._finish(module, processes, spec)
            await appear(spec.output / "report.json")

    async def _finish(self, module: str, processes: int, spec: TrainSpec | PredictSpec) -> None:
        """Run jobs until one succeeds; a lost job is followed by the next."""
        progress = spec.output / "progress.jsonl"
        losses, best, last = 0, furthest(progress), ""
        while losses < LOSSES:
            record = await self._current_job(spec)
            position = end_of(progress)
            try:
                await self._submit(record, module, processes)
                job = await self._follow(record, position)
            except asyncio.CancelledError:
                # a run of the service may have only lost its lease; its worker knows, and ends the job if that is right
                if self._fence is None:
                    await end_job(self._settings, self._root)
                raise
            last = job.last_message
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
        """The job that works on this folder, or the next one."""
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
        added = {"fence": fence, "task_folder": self._task_folder}
        write_json(spec_file(record), spec.model_copy(update=added))
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
            # a job can be stopped only once it is submitted
            await asyncio.wait({submitting}, timeout=LAST_PATIENCE_SECONDS)
            raise

    async def _follow(self, record: RayJobRecord, position: int) -> Job:
        """Pass on progress until the job has ended."""
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
    return read_model(RayJobRecord, path) if path.exists() else None


def spec_file(record: RayJobRecord) -> Path:
    """The file with the spec of a job. Each job has one, because an earlier job that starts late must not read the
    number of a later job."""
    return record.folder / f"spec-{record.number}.json"


def entrypoint(record: RayJobRecord, settings: Settings, module: str, processes: int) -> str:
    """A job's command. Variables that depend on the node are set there."""
    # Ray would let each process use the threads of all, and Python would import pada from Ray's working directory
    variables = [f"OMP_NUM_THREADS={max(1, int(settings.ray_cpus))}", "PYTHONSAFEPATH=1"]
    program = ["-m", "app.launchers.trainer_process", module, str(processes), str(spec_file(record))]
    return shlex.join(["exec", "env", *variables, settings.ray_python, *program])


def lost(job: Job) -> bool:
    """Whether a job did not end by itself: its node was lost, or it was killed or stopped."""
    code = job.driver_exit_code
    return job.status == "STOPPED" or code is None or code < 0 or code == SUPERSEDED


def why(job: Job, progress: Path) -> str:
    """The trainer's own message, or Ray's."""
    return last_word(progress) or (
        f"The trainer failed with exit code {job.driver_exit_code}: {job.last_message} "
        f"`ray job logs {job.submission_id}` shows the rest."
    )


async def appear(report: Path) -> None:
    """Wait until a report that a node has written is visible here.

    Raises:
        TrainerError: it does not appear.
    """
    for _ in range(int(SEEN_SECONDS / POLL_SECONDS)):
        if await asyncio.to_thread(report.exists):
            return
        await asyncio.sleep(POLL_SECONDS)
    raise TrainerError(
        f"The Ray job has ended well, and {report} is not there: every node must see the run's folder at this path."
    )


async def end_job(settings: Settings, root: Path) -> None:
    """Stop the job of a run that is released. If that fails, the log says so."""
    record = read_job_record(root)
    if record is None or settings.launcher != "ray":
        return
    try:
        async with Cluster(settings, patience=LAST_PATIENCE_SECONDS) as cluster:
            await cluster.stop(record.name)
    except (ClusterDown, ConfigError, TrainerError) as error:
        log.warning("The Ray job %s may go on: %s", record.name, error)
