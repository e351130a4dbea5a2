"""The tools of `pada mcp`. A docstring is what the agent reads; an answer is JSON."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Lock
from typing import Annotated, Any

from pydantic import Field

from app.api.runs import files
from app.cli.folder_run import FolderRun
from app.cli.mcp.configs import read_allowed
from app.cli.mcp.folders import Folders
from app.errors import FolderError, NotFound
from app.report.tables import pattern_table
from app.settings import Settings
from graphs.report import Report
from graphs.review import ReviewAnswer
from graphs.rows import Verdict
from trainer.artifacts import read_model

PLACES = 20
"""Maximum rows that a finding of `check` names."""
POLL_SECONDS = 0.2
BRIEF: Any = {
    "config": True,
    "spending": True,
    "test_access": True,
    "teacher": True,
    "rounds": {
        "__all__": {
            "clusters",
            "detail",
            "trainer",
            "patterns",
            "broken",
            "broken_examples",
            "fixed",
            "unanswered",
        }
    },
}
"""Parts of the report that an agent can do without, or gets from another tool."""

RunFolder = Annotated[str, Field(description="The run's folder.")]
ConfigFile = Annotated[str, Field(description="The config, a YAML file.")]
OfRound = Annotated[int | None, Field(description="Only of this round; 1 is the first with new rows.", ge=0)]


class Tools:
    """The tools, each a method.

    Args:
        max_usd: the largest `budget.max_usd` of a run; None for any.
    """

    def __init__(self, folders: Folders, settings: Settings, max_usd: float | None = None):
        self._folders, self._settings, self._max_usd = folders, settings, max_usd
        self._started: dict[Path, FolderRun] = {}
        self._starting = Lock()

    def check(self, config: ConfigFile) -> dict[str, Any]:
        """Find what is wrong with a config and its rows before a run, in seconds, and estimate what the run would ask of its
        teacher. A finding with the level `fault` would stop a run. Nothing is trained, and no teacher is asked."""
        from app.compare.single import document, over_budget, plan_of
        from app.prepare.checks.check import check_config

        loaded = read_allowed(config, self._folders, self._settings, None)
        checked = check_config(loaded)
        planned = plan_of(loaded, checked)
        checked.report.findings += over_budget(loaded, planned)
        answer = document(checked.report, planned)
        for finding in answer["findings"]:
            del finding["places"][PLACES:]
        return answer

    def run(
        self,
        config: ConfigFile,
        output: Annotated[
            str | None,
            Field(
                description="The run's folder; default: the config's `output`, or runs/NAME-OF-THE-CONFIG."
            ),
        ] = None,
        finish: Annotated[
            bool, Field(description="Write no more rows: score the best student so far on the test rows.")
        ] = False,
    ) -> dict[str, Any]:
        """Start a run, or go on with the one in its folder. It returns at once; `status` follows it. A run takes minutes to
        hours, asks the config's teacher, which may cost money up to `budget`, and goes on when this server ends."""
        loaded = read_allowed(config, self._folders, self._settings, self._max_usd)
        named = Path(output) if output else loaded.output or Path("runs", Path(config).stem)
        root = self._folders.run_folder(str(named))
        with self._starting:
            if root in self._started and self._started[root].working:
                raise FolderError(f"{named}: this run is at work already; `status` follows it.")
            self._started[root] = FolderRun.start(loaded, root, finish=finish)
        return standing(self._started[root])

    def status(
        self,
        run: RunFolder,
        wait_seconds: Annotated[
            float,
            Field(
                description="Wait so long for the run to end or pause, instead of asking often.", ge=0, le=300
            ),
        ] = 0,
    ) -> dict[str, Any]:
        """Where a run stands: `running`, `paused`, `finished` or `failed`, the reason, the stage at work with its progress,
        the scores so far, and the cost. A run that waits for a review says so in `review`."""
        found = self._open(run)
        deadline = time.monotonic() + wait_seconds
        while found.working and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return standing(found)

    def stop(self, run: RunFolder) -> dict[str, Any]:
        """Stop a run at work. `run` with the same config and folder goes on where it was, and pays for nothing twice."""
        found = self._open(run)
        found.stop()
        return standing(found)

    def patterns(self, run: RunFolder, round: OfRound = None) -> dict[str, Any]:
        """Why the student fails: the failure patterns of the rounds. Each has a description, the strategy that new rows were
        written by, the ids of its failures, and how many of these were `fixed`, `unmoved` or `regressed` by the student that
        was trained on the new rows."""
        paths = self._open(run).paths
        numbers = paths.begun_rounds() if round is None else [round]
        return {"patterns": [row for number in numbers for row in pattern_table(paths, number)]}

    def rows(
        self,
        run: RunFolder,
        round: OfRound = None,
        verdict: Annotated[Verdict | None, Field(description="Only rows with this verdict.")] = None,
        pattern: Annotated[str | None, Field(description="Only rows for the pattern with this id.")] = None,
        offset: Annotated[int, Field(description="`next` of the answer before.", ge=0)] = 0,
        limit: Annotated[int, Field(description="Maximum number of rows.", ge=1, le=200)] = 20,
    ) -> dict[str, Any]:
        """The new rows that the teacher wrote, each with its verdict and the reason. `next` is the offset of the rows that
        follow."""
        found = files.samples(self._open(run).paths, round, verdict, pattern)
        page, following = files.page(found, offset, limit)
        shown = [{key: value for key, value in row.items() if value is not None} for row in page]
        return {"rows": shown, "next": following}

    def review(
        self,
        run: RunFolder,
        answer: Annotated[
            ReviewAnswer | None,
            Field(
                description="The decisions; an empty object approves everything. Without it the review is shown."
            ),
        ] = None,
    ) -> dict[str, Any]:
        """The review that a run waits for, or the answer to it. Ask the user before you answer: a review is there for a
        person's judgement. After an answer the run goes on, as with `run`."""
        found = self._open(run)
        asked = found.state().review
        if answer is None:
            if asked is None:
                return {"review": None}
            shown = {"patterns": pattern_table(found.paths, asked.round)} if asked.about == "patterns" else {}
            return {"review": asked.data() | shown}
        read_allowed(str(found.paths.config), self._folders, self._settings, self._max_usd)
        with self._starting:
            found.answer(answer.model_dump(exclude_none=True))
            self._started[found.paths.root] = found
        return standing(found)

    def report(self, run: RunFolder) -> dict[str, Any]:
        """The result of a run that has ended or paused: a summary for people, and the numbers. `test` is the proof: the
        baseline and the best student on the same sealed rows, with a 95 % interval of the difference."""
        from app.report.summary import summary_lines

        paths = self._open(run).paths
        if not paths.report.exists():
            raise NotFound(f"{run}: there is no report yet; it is written when the run pauses or ends.")
        report = read_model(Report, paths.report)
        return {
            "summary": "\n".join(summary_lines(report)),
            "report": report.model_dump(mode="json", exclude=BRIEF),
            "page": str(paths.html),
        }

    def _open(self, run: str) -> FolderRun:
        """A run, as it was started here if it was."""
        root = self._folders.run_folder(run)
        return self._started.get(root) or FolderRun(root)


def standing(run: FolderRun) -> dict[str, Any]:
    """The answer of the tools that start, follow and stop a run."""
    state = run.state().model_dump(mode="json", exclude={"stage_seconds", "detectable"})
    return {"run": str(run.paths.root), **state}
