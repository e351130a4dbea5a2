"""Runs one run in its folder, from where it is to its end or to a pause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.config.data import prepare_data
from app.config.named_models import refuse_missing_models
from app.config.run_config import RunConfig
from app.config.tracker_packages import refuse_missing_trackers
from app.demo.dataset import keep_demo_data
from app.engine.events import Event, Listener, PowerEstimate, RunStatusChanged
from app.engine.run_folder import open_run
from app.engine.session import RunSession
from app.engine.tracking import RunTracking
from app.engine.wiring import OpenRun, RunOptions
from graphs.analysis.statistics import minimal_detectable_effect
from graphs.artifacts import DataReport
from graphs.report import Report
from graphs.run_paths import RunPaths
from graphs.workspace import log_test_access
from trainer.artifacts import read_json


def prepare_rows(paths: RunPaths, config: RunConfig) -> DataReport:
    """Check a run's rows and write them into its folder, where that was not done.

    Raises:
        DataError: see `app.config.data.prepare_data`.
    """
    if not paths.data_report.exists():
        log_test_access(paths, "checked and compared with the other splits at the start")
    return prepare_data(config.data, config.task, config.seed, paths)


def refuse_missing(paths: RunPaths, config: RunConfig) -> None:
    """Refuse a config that names what is not there. A run that has ended needs no models: its start only shows the report.

    Raises:
        ConfigError: a tracker is not installed, or the student or the embedder is missing.
    """
    refuse_missing_trackers(config)
    if not (paths.report.exists() and read_json(paths.report)["status"] == "finished"):
        refuse_missing_models(config)


class Runner:
    """One run in one folder. A second call on the same folder continues the run.

        report = await Runner(config, Path("runs/first"), print).run()

    Args:
        listen: receives the run's events.
    """

    def __init__(self, config: RunConfig, root: Path, listen: Listener, options: RunOptions | None = None):
        self._config, self._root, self._listen = config, root, listen
        self._options = options or RunOptions()

    async def run(self, *, answer: dict[str, Any] | None = None, finish: bool = False) -> Report:
        """Continue to the end or to a pause.

        Args:
            answer: the reviewer's answer, for a run that waits for a review (`graphs.review.ReviewAnswer`); not empty.
            finish: write no more rows; score the best student so far on the test rows.

        Raises:
            LoopError, DataError, PadaError: the run cannot go on; its folder keeps what it has.
        """
        store = self._options.store
        async with store.own(self._root) as paths:
            metadata = open_run(paths, self._config, store.run_id)
            if self._options.stand_in:
                keep_demo_data(paths.source)
            if self._options.student is None:
                refuse_missing(paths, self._config)
            data = prepare_rows(paths, self._config)
            run = OpenRun(self._config, metadata.run_id, paths, self._options)
            tracking = RunTracking(run)

            def listen(event: Event) -> None:
                self._listen(event)
                tracking.hear(event)

            async with store.events(paths, listen) as events:
                events.emit(PowerEstimate(**minimal_detectable_effect(data.rows["validation"]).model_dump()))
                events.emit(RunStatusChanged(status="running", run_id=run.run_id, folder=str(paths.root)))
                async with tracking.started(events):
                    return await RunSession(run, events).run(answer, finish)
