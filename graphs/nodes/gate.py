"""Decide whether to promote the round's student and whether the loop goes on. Record the patterns' outcomes."""

from __future__ import annotations

from dataclasses import asdict
from statistics import mean
from typing import Any

from langgraph.runtime import Runtime

from graphs.analysis.statistics import PairedComparison, holm, paired
from graphs.artifacts import Comparison, GateDecision
from graphs.context import Context, LoopSpec, Promote
from graphs.pattern_outcomes import record_outcomes
from graphs.state import LoopState
from graphs.workspace import Workspace
from trainer.records import Example, Score


async def gate(state: LoopState, runtime: Runtime[Context], *, workspace: Workspace) -> dict[str, Any]:
    """Compare with the best score so far, row by row on validation. A promotion makes this student the best."""
    loop, current = runtime.context.loop, workspace.round(state.round)
    if state.round == 0:
        decision = GateDecision(
            promoted=True, reason="The baseline: there is nothing to compare it with yet."
        )
    else:
        record_outcomes(workspace.round(state.round - 1), current)
        decision = compare_to_best(state, runtime.context, workspace)
    stale = 0 if decision.promoted else state.stale + 1
    wrong = sum(not score.correct for score in current.scores("train"))
    stopped = why_stop(state, loop, stale, wrong) or used_up(state, loop, workspace)
    current.write_gate(decision.model_copy(update={"stopped": stopped}))
    update: dict[str, Any] = {"stale": stale, "stopped": stopped}
    if decision.promoted:
        update["best_round"] = state.round
    # after the gate, unless it stops the loop, the work of the next round begins
    return update if stopped else update | {"round": state.round + 1}


def compare_to_best(state: LoopState, context: Context, workspace: Workspace) -> GateDecision:
    """Whether this student is promoted over the one with the best score so far, with the evidence."""
    examples = workspace.examples("validation")
    leader = highest(workspace, state.round)
    best = workspace.round(leader).scores("validation")
    this = workspace.round(state.round).scores("validation")
    comparison = compare(best, this, context.seed)
    hurt = regressed_groups(examples, best, this, workspace, context.seed)
    rule = context.loop.promote
    if rule == "later" and leader == 0:
        # plain fine-tuning is what a user would do without the loop: it is left only for a higher score
        rule = "better"
    promoted, reason = decide(comparison, hurt, rule)
    return GateDecision(
        promoted=promoted,
        reason=reason,
        best_before=leader,
        versus_best=Comparison(**asdict(comparison)),
        broken=[b.id for b, t in zip(best, this, strict=True) if b.correct and not t.correct],
        fixed=[b.id for b, t in zip(best, this, strict=True) if t.correct and not b.correct],
    )


def highest(workspace: Workspace, before: int) -> int:
    """The round whose student has the highest validation score of those promoted before this round; of equals the last.

    With `promote: later` it need not be the round promoted last: compared with that one alone, many small losses could
    add up unseen.
    """
    promoted = [number for number in range(before) if workspace.round(number).gate().promoted]
    means = {n: mean(score.value for score in workspace.round(n).scores("validation")) for n in promoted}
    return max(promoted, key=lambda number: (means[number], number))


def compare(before: list[Score], after: list[Score], seed: int) -> PairedComparison:
    """Paired comparison of two students on the same rows."""
    return paired(
        [score.value for score in before],
        [score.value for score in after],
        [score.correct for score in before],
        [score.correct for score in after],
        seed,
    )


def regressed_groups(
    examples: list[Example], before: list[Score], after: list[Score], workspace: Workspace, seed: int
) -> list[str]:
    """Groups of rows (the task's strata) that got significantly worse, Holm-corrected for the number of groups."""
    groups: dict[str, list[int]] = {}
    for index, example in enumerate(examples):
        groups.setdefault(workspace.task.stratify_key(example), []).append(index)
    if len(groups) < 2:
        return []
    results = {
        name: compare([before[i] for i in rows], [after[i] for i in rows], seed)
        for name, rows in groups.items()
    }
    corrected = holm([result.p_value for result in results.values()])
    return [
        name
        for (name, result), p_value in zip(results.items(), corrected, strict=True)
        if result.difference < 0 and p_value < 0.05
    ]


def decide(comparison: PairedComparison, hurt: list[str], rule: Promote) -> tuple[bool, str]:
    """Apply `loop.promote`. The reason is one sentence for the report."""
    low, high = 100 * comparison.low, 100 * comparison.high
    span = f"{100 * comparison.difference:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})"
    higher = comparison.difference > 0
    level = rule == "later" and comparison.difference >= -comparison.standard_error
    if not (higher or level):
        return False, f"The score is not higher than the best student's: {span}."
    if hurt:
        on_the_whole = "Higher" if higher else "About the same"
        return (
            False,
            f"{on_the_whole} on the whole, {span}, but significantly lower on {', '.join(map(repr, hurt[:3]))}.",
        )
    if not higher:
        return True, (
            f"Within one standard error of the best student's score, {span}, and trained on more rows, which "
            "`promote: later` prefers."
        )
    if comparison.low > 0:
        return True, f"Shown to be better than the best student: {span}."
    if rule == "significant":
        return (
            False,
            f"A higher score, {span}, but the interval holds 0, and `promote: significant` asks for more.",
        )
    return True, f"A higher score than the best student's, {span}; that it is better is not shown."


def why_stop(state: LoopState, loop: LoopSpec, stale: int, train_failures: int) -> str:
    """Why the loop ends after this round; empty if it goes on.

    Args:
        stale: rounds since the last promotion.
        train_failures: rows of the train sample that this student gets wrong.
    """
    if not loop.origins:
        return "Plain fine-tuning was asked for: there is no loop."
    if state.round >= loop.last_round:
        return f"All {loop.rounds} rounds are done."
    if stale >= loop.patience:
        return f"No student was promoted in {stale} {'round' if stale == 1 else 'rounds'} (patience {loop.patience})."
    if "pattern" in loop.origins and not state.failures:
        return "The student makes no validation errors."
    if loop.origins == ("train_error",) and not train_failures:
        return "The student makes no training errors."
    return ""


def used_up(state: LoopState, loop: LoopSpec, workspace: Workspace) -> str:
    """Why the loop ends for want of unlabelled rows, where it has no other prompts; empty if it goes on."""
    if loop.generates or not loop.unlabeled_per_round or workspace.unlabeled_left(state.round + 1):
        return ""
    return "Every unlabelled row was used."
