"""Open the sealed test rows once, for the baseline and the best student together."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from langgraph.runtime import Runtime

from graphs.analysis.statistics import conclude
from graphs.artifacts import SealedScores
from graphs.context import Context
from graphs.nodes.gate import compare
from graphs.state import LoopState
from graphs.workspace import Workspace
from trainer.artifacts import read_models, write_json, write_jsonl
from trainer.records import Example, Prediction, Score
from trainer.specs import PredictFile, PredictSpec


async def finish(state: LoopState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """Score the baseline and the best student on the test rows, compare them row by row, and write the result.

    The untrained student is scored too, unless the config says otherwise, to show what fine-tuning alone does.
    """
    context = runtime.context
    examples = workspace.open_test("scored for the baseline and the best student")
    students: dict[str, int | None] = {"untrained": None} if context.evaluate_untrained else {}
    students |= {"baseline": 0} | ({"best": state.best_round} if state.best_round else {})
    await predict_test(students, context, workspace)
    scores = {name: await score_test(name, examples, workspace) for name in students}
    baseline, best = scores["baseline"], scores.get("best", scores["baseline"])
    comparison = compare(baseline, best, context.seed)
    answered = read_predictions("best" if state.best_round else "baseline", workspace)
    result = SealedScores(
        **asdict(comparison),
        metric=workspace.task.metric,
        n=len(examples),
        untrained=mean(scores["untrained"]) if "untrained" in scores else None,
        baseline=mean(baseline),
        best=mean(best),
        verdict=conclude(comparison.low, comparison.high),
        best_round=state.best_round,
        detail=workspace.task.summarize(examples, answered),
    )
    write_json(workspace.paths.test_scores, result)
    return {"stopped": state.stopped}


async def predict_test(students: dict[str, int | None], context: Context, workspace: Workspace) -> None:
    """Let the students answer the test rows in one process. Finished predictions are kept.

    Args:
        students: name -> number of its round; None is the untrained student.
    """
    paths = workspace.paths
    missing = {name: n for name, n in students.items() if not paths.test_predictions(name).exists()}
    if not missing:
        return
    spec = PredictSpec(
        task=context.task,
        student=context.student,
        train=[paths.data("train")],
        adapters={name: workspace.round(n).artifact() for name, n in missing.items() if n is not None},
        output=paths.final,
        predict=[
            PredictFile(name=name, rows=paths.data("test"), output=paths.test_predictions(name))
            for name in missing
        ],
    )
    await workspace.student.predict(spec)


async def score_test(name: str, examples: list[Example], workspace: Workspace) -> list[Score]:
    """One student's scores on the test rows."""
    scores = await workspace.score(read_predictions(name, workspace), examples)
    write_jsonl(workspace.paths.test_row_scores(name), scores)
    return scores


def read_predictions(name: str, workspace: Workspace) -> list[Prediction]:
    return read_models(Prediction, workspace.paths.test_predictions(name))


def mean(scores: list[Score]) -> float:
    return sum(score.value for score in scores) / len(scores)
