"""The report, put together from what the run left in its folder; works at any moment of a run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from app.config.run_config import RunConfig
from graphs.analysis.statistics import minimal_detectable_effect
from graphs.errors import Wait
from graphs.report import PatternOutcome, Report, RoundReport, TestResult
from graphs.rows import Candidate
from graphs.run_paths import RunPaths
from graphs.teacher.chat import ChatTeacher
from graphs.teacher.cost import Cost
from graphs.workspace import file_key
from trainer.artifacts import read_json, read_jsonl

Status = Literal["running", "paused", "finished", "failed"]
SHOWN = 3
"""Examples of each kind that the report shows of a pattern."""
NOTHING_SPENT = Cost(calls=0, prompt_tokens=0, completion_tokens=0, usd=0.0, repeated=0)


@dataclass(frozen=True)
class Outcome:
    """How a start of a run ended."""

    status: Status
    reason: str
    waiting_for: Wait | None = None


def build_report(
    paths: RunPaths,
    config: RunConfig,
    run_id: str,
    outcome: Outcome,
    teacher: ChatTeacher | None,
    seconds: dict[str, float],
    *,
    stand_in: bool = False,
) -> Report:
    """Everything that is known of the run; what has not happened yet is empty or None."""
    rounds = [RoundView(paths, number).report() for number in finished_rounds(paths)]
    best = max((item for item in rounds if item.promoted), key=lambda item: item.round, default=None)
    data = read_json(paths.data_report)
    validation_rows = len(list(read_jsonl(paths.data("validation"))))
    return Report(
        run_id=run_id,
        status=outcome.status,
        stopped=outcome.reason,
        waiting_for=outcome.waiting_for,
        method=config.loop.method,
        task=config.task,
        seed=config.seed,
        student=config.student.model,
        accepted=sum(item.accepted for item in rounds),
        rounds=rounds,
        baseline={"validation": rounds[0].validation} if rounds else {},
        best={"round": best.round, "validation": best.validation} if best else {},
        test=test_result(paths),
        minimal_detectable_effect=minimal_detectable_effect(validation_rows),
        cost=teacher.totals() if teacher else NOTHING_SPENT,
        spending=teacher.spending() if teacher else [],
        seconds=seconds,
        data=data,
        teacher=(teacher.describe() if teacher else {}) | {"stand_in": stand_in},
        test_access=list(read_jsonl(paths.test_access)) if paths.test_access.exists() else [],
        config=config.model_dump(mode="json"),
    )


def finished_rounds(paths: RunPaths) -> list[int]:
    """Rounds whose student was judged by the gate."""
    return sorted(int(path.parent.name) for path in paths.root.glob("rounds/*/gate.json"))


def test_result(paths: RunPaths) -> TestResult | None:
    """The sealed test's result, once there is one."""
    path = paths.final / "test.json"
    if not path.exists():
        return None
    found = read_json(path)
    return TestResult(
        **{
            key: found[key]
            for key in ("metric", "n", "baseline", "best", "difference", "p_value", "verdict", "detail")
        },
        ci95=(found["low"], found["high"]),
        p_method=found["method"],
    )


class RoundView:
    """One judged round, read from its folder."""

    def __init__(self, paths: RunPaths, number: int):
        self._paths, self._number = paths, number
        self._here, self._before = paths.round(number), paths.round(number - 1)
        self._gate = read_json(self._here.gate)
        self._candidates = [Candidate(**row) for row in rows(self._here.rows)]

    def report(self) -> RoundReport:
        evaluation = read_json(self._here.evaluation)
        return RoundReport(
            round=self._number,
            metric=evaluation["metric"],
            validation=evaluation["validation"],
            ci95=tuple(evaluation["ci95"]),
            promoted=self._gate["promoted"],
            reason=self._gate["reason"],
            versus_best=self._versus_best(),
            accepted=sum(candidate.verdict == "accepted" for candidate in self._candidates),
            train_rows=self._trainer()["rows"],
            patterns=self._patterns(),
            verdicts=dict(Counter(candidate.verdict for candidate in self._candidates)),
            accepted_by_reviewer=sum(
                candidate.verdict == "accepted" and candidate.overruled is not None
                for candidate in self._candidates
            ),
            broken=self._gate.get("broken", []),
            broken_examples=self._broken_examples(),
            fixed=self._gate.get("fixed", []),
            detail=evaluation["detail"],
            clusters=read_json(self._here.clusters) if self._here.clusters.exists() else None,
            trainer=self._trainer(),
        )

    def _versus_best(self) -> dict[str, float] | None:
        found = self._gate.get("versus_best")
        return {key: found[key] for key in ("difference", "low", "high", "p_value")} if found else None

    def _trainer(self) -> dict[str, Any]:
        report = read_json(self._here.student / "report.json")
        kept = (
            "rows",
            "steps",
            "samples_per_second",
            "device",
            "dtype",
            "over_long",
            "warnings",
            "out_of_memory",
            "resumed_from",
            "loss",
        )
        return {key: report[key] for key in kept} | {"seconds": report["seconds"]}

    def _patterns(self) -> list[PatternOutcome]:
        accounts = read_json(self._here.accounts) if self._here.accounts.exists() else {}
        return [self._pattern(pattern, accounts[pattern["id"]]) for pattern in rows(self._here.patterns)]

    def _pattern(self, pattern: dict[str, Any], account: dict[str, Any]) -> PatternOutcome:
        name = pattern["id"]
        strategy = read_json(self._here.strategies / f"{name}.json")
        own = [candidate for candidate in self._candidates if candidate.pattern == name]
        accepted = [candidate for candidate in own if candidate.verdict == "accepted"]
        return PatternOutcome(
            id=name,
            name=pattern["name"],
            description=pattern["description"],
            strategy=strategy["title"],
            instructions=strategy["instructions"],
            size=len(pattern["failures"]),
            planned=sum(batch["count"] for batch in rows(self._here.batches) if batch["pattern"] == name),
            accepted=len(accepted),
            rejected=len(own) - len(accepted),
            failures=pattern["failures"],
            examples=[{"prompt": c.prompt, "completion": c.completion} for c in accepted[:SHOWN]],
            errors=self._errors(pattern["failures"][:SHOWN]),
            **account,
        )

    def _errors(self, names: list[str]) -> list[dict[str, Any]]:
        """Failures of a pattern: what was asked and answered before its rows, and what is answered now."""
        examples, before, after = self._validation()
        return [
            {
                "id": name,
                "prompt": examples[name]["prompt"],
                "expected": examples[name]["completion"],
                "predicted": before[name]["text"],
                "root_cause": read_json(self._here.analyses / f"{file_key(name)}.json")["root_cause"],
                "after": after[name]["text"],
                "outcome": self._outcome(name),
            }
            for name in names
        ]

    def _outcome(self, name: str) -> str:
        before, after = by_id(self._before.scores("validation")), by_id(self._here.scores("validation"))
        if after[name]["correct"]:
            return "fixed"
        return "regressed" if after[name]["value"] < before[name]["value"] else "unmoved"

    def _broken_examples(self) -> list[dict[str, Any]]:
        """Rows that the best student before had right and this one has wrong."""
        names = self._gate.get("broken", [])[:5]
        if not names:
            return []
        examples, _, after = self._validation()
        best = by_id(self._paths.round(self._gate["best_before"]).predictions("validation"))
        return [
            {
                "id": name,
                "prompt": examples[name]["prompt"],
                "expected": examples[name]["completion"],
                "predicted": best[name]["text"],
                "after": after[name]["text"],
            }
            for name in names
        ]

    def _validation(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Validation rows, the replies of the student before, and those of this one, by id."""
        return (
            by_id(self._paths.data("validation")),
            by_id(self._before.predictions("validation")),
            by_id(self._here.predictions("validation")),
        )


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file, none if it is not there yet."""
    return list(read_jsonl(path)) if path.exists() else []


def by_id(path: Path) -> dict[str, Any]:
    return {row["id"]: row for row in read_jsonl(path)}
