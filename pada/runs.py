"""Runs in folders: started, opened, and read as data frames."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.api.runs import files
from app.cli.folder_run import FolderRun, RunState
from app.config.run_config import RunConfig, load_config, parse_config, with_description
from app.engine.events import Event, ReviewRequested
from app.engine.run_status import RunStatus
from app.errors import ConfigError, PadaError
from app.report.tables import ANSWER, PATTERN, answer_table, pattern_table
from graphs.report import Report, RoundReport
from graphs.rows import NewRow
from graphs.run_paths import RunPaths
from pada.frames import frame
from trainer.artifacts import read_model

if TYPE_CHECKING:
    import pandas as pd

    from app.prepare.checks.findings import CheckReport

Config = RunConfig | Mapping[str, Any] | str | os.PathLike[str]
"""A config: the path of a YAML file, the same as a dict, or a `RunConfig`. Paths in a dict count from the current folder."""
Listener = Callable[[Event], None]
SCORE = ("round", "metric", "validation", "low", "high", "promoted", "accepted", "train_rows", "reason")
"""Columns of `Run.scores`."""


def run(
    config: Config,
    output: str | os.PathLike[str] | None = None,
    *,
    wait: bool = True,
    show: bool | Listener = True,
    finish: bool = False,
) -> Run:
    """Start a run, or go on with the one in its folder, as `pada run` does.

        run = pada.run("tickets/config.yaml")
        run = pada.run({"task": "classification", "data": "my_rows", ...}, "runs/first", wait=False)

    A process of its own works on it. Interrupting Python while it waits here stops the run, which goes on where it was when
    it is started again. With `wait=False` the run goes on even when Python ends.

    Args:
        config: path of a YAML file, or the same as a dict.
        output: the run's folder; it overrides the config's `output`. A dict needs one of the two.
        wait: return when the run has ended or waits, instead of at once.
        show: show the progress; or a function that receives the events.
        finish: write no more rows; score the best student so far on the test rows.

    Raises:
        PadaError: the config or the folder cannot be used, or the run has failed.
    """
    started = FolderRun.start(read_config(config), folder_of(config, output), finish=finish)
    opened = Run(started)
    return opened.wait(show) if wait else opened


def load(folder: str | os.PathLike[str]) -> Run:
    """Open the run in a folder, whether it has ended, waits or is at work.

        pada.load("runs/first").rounds[1].patterns

    Raises:
        PadaError: the folder holds no run.
    """
    return Run(FolderRun(Path(folder).expanduser().resolve()))


def check(config: Config) -> CheckReport:
    """Everything that is wrong with a config and its rows, as `pada check` finds it.

        for finding in pada.check("tickets/config.yaml").findings:
            print(finding.level, finding.message)

    Raises:
        PadaError: the config cannot be read.
    """
    from app.prepare.checks.check import check_config
    from trainer.tasks import add_task_folder

    loaded = read_config(config)
    if loaded.task_folder:
        add_task_folder(loaded.task_folder)
    return check_config(loaded).report


def read_config(config: Config) -> RunConfig:
    """The config, with absolute paths."""
    if isinstance(config, RunConfig):
        return config
    if isinstance(config, Mapping):
        return parse_config(with_description(dict(config), Path("config")), "config", Path.cwd())
    return load_config(Path(config).expanduser())


def folder_of(config: Config, output: str | os.PathLike[str] | None) -> Path:
    """The run's folder.

    Raises:
        ConfigError: nothing names it.
    """
    named = output or read_config(config).output
    if named is None and not isinstance(config, str | os.PathLike):
        raise ConfigError(
            'config: give the run\'s folder as `output`, such as pada.run(config, "runs/first").'
        )
    return Path(named or Path("runs", Path(os.fspath(str(config))).stem)).expanduser().resolve()


class Run:
    """A run in a folder. Everything is read when it is asked for, so a run at work can be looked at."""

    def __init__(self, run: FolderRun):
        self._run = run

    def __repr__(self) -> str:
        return f"<pada.Run {shown(self.folder)!r}: {self.status}>"

    @property
    def folder(self) -> Path:
        """The run's folder; `docs/reference/files.md` has its files."""
        return self._run.paths.root

    @property
    def status(self) -> RunStatus:
        """`running`, `paused`, `finished` or `failed`."""
        return self.state.status

    @property
    def state(self) -> RunState:
        """Status with its reason, stage, progress, scores and cost."""
        return self._run.state()

    @property
    def report(self) -> Report:
        """The result: `report.test`, `report.cost`, `report.rounds` and so on.

        Raises:
            PadaError: the run has neither ended nor paused yet.
        """
        if not self._run.paths.report.exists():
            raise PadaError(
                f"{self.folder}: there is no report yet; it is written when the run pauses or ends."
            )
        return read_model(Report, self._run.paths.report)

    @property
    def summary(self) -> str:
        """The result in a few lines, as the command line prints it."""
        from app.report.summary import summary_lines

        return "\n".join(summary_lines(self.report))

    @property
    def rounds(self) -> list[Round]:
        """The rounds that have begun. `rounds[0]` made the baseline, `rounds[1]` has the first new rows."""
        return [Round(self._run.paths, number) for number in self._run.paths.begun_rounds()]

    @property
    def scores(self) -> pd.DataFrame:
        """A row for each student that was judged: its validation score with the 95 % interval, and the gate's decision."""
        return frame(map(score_row, self.report.rounds), SCORE)

    @property
    def patterns(self) -> pd.DataFrame:
        """The patterns of all rounds."""
        numbers = self._run.paths.begun_rounds()
        return frame((row for number in numbers for row in pattern_table(self._run.paths, number)), PATTERN)

    @property
    def rows(self) -> pd.DataFrame:
        """The new rows of all rounds, with their verdicts."""
        return frame(files.samples(self._run.paths, None, None, None), tuple(NewRow.model_fields))

    @property
    def review(self) -> ReviewRequested | None:
        """The review that the run waits for; the round's `patterns` or `rows` have the texts. None if it waits for none."""
        return self.state.review

    def answer(
        self, answer: Mapping[str, Any] | None = None, *, wait: bool = True, show: bool | Listener = True
    ) -> Run:
        """Answer the review that the run waits for, and go on.

            run.answer({"veto": ["r1-p2"], "edit": {"r1-p0": {"instructions": "Vary the dates."}}})

        Args:
            answer: `veto`, `merge` and `edit` for patterns, `reject` and `accept` for rows. None approves everything.

        Raises:
            PadaError: the run waits for no review, the answer does not fit it, or the run has failed.
        """
        self._run.answer(answer or {})
        return self.wait(show) if wait else self

    def events(self) -> Iterator[Event]:
        """The events as they come, until the run ends or waits: of a run that was started here those since then, of one
        that was opened all of them. `docs/reference/events.md` lists them."""
        return self._run.events()

    def wait(self, show: bool | Listener = True) -> Run:
        """Wait until the run has ended or waits. Interrupting Python stops the run.

        Raises:
            PadaError: the run has failed.
        """
        with listener(show) as listen:
            try:
                self._run.wait(listen)
            except KeyboardInterrupt:
                self._run.stop()
                raise
        return self

    def stop(self) -> Run:
        """Stop the process that works on the run, wherever on this machine it was started. `pada.run` with the same folder
        goes on where it was."""
        self._run.stop()
        return self


class Round:
    """One round of a run: the patterns and new rows that it began with, and its student's answers.

    `run.report.rounds` has what the report says of it.
    """

    def __init__(self, paths: RunPaths, number: int):
        self._paths = paths
        self.number = number
        """0 for the baseline."""

    def __repr__(self) -> str:
        return f"<pada.Round {self.number} of {shown(self._paths.root)!r}>"

    @property
    def patterns(self) -> pd.DataFrame:
        """A row for each failure pattern: its texts, strategy, number of failures, new rows, and outcome."""
        return frame(pattern_table(self._paths, self.number), PATTERN)

    @property
    def rows(self) -> pd.DataFrame:
        """A row for each new row, with its verdict and the reason."""
        return frame(files.samples(self._paths, self.number, None, None), tuple(NewRow.model_fields))

    @property
    def predictions(self) -> pd.DataFrame:
        """A row for each validation row, with what was expected, what the round's student answered, and the score."""
        return frame(answer_table(self._paths, self.number), ANSWER)


def score_row(round: RoundReport) -> dict[str, Any]:
    """The columns of `Run.scores`."""
    low, high = round.ci95
    return {**round.model_dump(include=set(SCORE)), "low": low, "high": high}


@contextmanager
def listener(show: bool | Listener) -> Iterator[Listener]:
    """Who hears the events: the user's function, or the display of the command line."""
    if callable(show):
        yield show
    elif show:
        from app.cli.display import choose

        with choose(as_json=False) as chosen:
            yield chosen.show
    else:
        yield lambda _: None


def shown(folder: Path) -> str:
    """A path for people: from the current folder where it lies in it."""
    here = Path.cwd()
    return str(folder.relative_to(here) if folder.is_relative_to(here) else folder)
