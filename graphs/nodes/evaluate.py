"""Score the round's student and choose the failures to analyse."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from langgraph.runtime import Runtime

from graphs.analysis.statistics import mean_interval
from graphs.artifacts import Evaluation
from graphs.context import Context
from graphs.nodes.evaluate_teacher import evaluate_teacher
from graphs.state import LoopState
from graphs.workspace import Workspace
from trainer.records import Example
from trainer.tasks.base import Task


async def evaluate(state: LoopState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """Score validation and the train sample, and choose the failures to analyse. The state gets their count."""
    context = runtime.context
    examples, current = workspace.examples("validation"), workspace.round(state.round)
    scores = await workspace.score_round(state.round, "validation")
    if current.paths.predictions("train").exists():
        await workspace.score_round(state.round, "train")
    if state.round == 0:
        await evaluate_teacher(context, workspace)
    values = [score.value for score in scores]
    mean = sum(values) / len(values)
    wrong = [example for example, score in zip(examples, scores, strict=True) if not score.correct]
    seed = f"{context.seed}/{state.round}/analyses"
    failures = (
        stratified(wrong, workspace.task, context.loop.max_analyses, seed)
        if "pattern" in context.loop.origins
        else []
    )
    evaluation = Evaluation(
        metric=workspace.task.metric,
        n=len(values),
        validation=mean,
        ci95=mean_interval(values, seed=context.seed),
        failures=len(wrong),
        detail=workspace.task.summarize(examples, current.predictions("validation")),
    )
    current.write_evaluation(evaluation, [example.id for example in failures])
    return {"validation": mean, "failures": len(failures)}


def stratified(examples: Sequence[Example], task: Task, count: int, seed: str) -> list[Example]:
    """A seeded sample of at most `count` examples, drawn in turns from the task's strata. It keeps the order given."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index, example in enumerate(examples):
        groups[task.stratify_key(example)].append(index)
    rng = random.Random(seed)
    for group in groups.values():
        rng.shuffle(group)
    # the largest group comes first: if there are fewer places than groups, the frequent kinds of failure are in
    order = sorted(groups.values(), key=len, reverse=True)
    turns = [group[turn] for turn in range(len(examples)) for group in order if turn < len(group)]
    return [examples[index] for index in sorted(turns[:count])]
