"""What the writer of new rows is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from graphs.nodes.generate import generate, writing
from graphs.rows import Batch
from graphs.state import AugmentState
from tests.fakes import ScriptedTeacher
from tests.graphs.loop_harness import Loop, new_loop, with_train_failures
from tests.tiny_task import AFTER, BEFORE, request_of
from trainer.artifacts import read_jsonl, write_jsonl

KEYS = {
    "task", "strategy", "case", "error", "right", "original", "examples", "count", "batch", "feedback", "previous",
}  # fmt: skip


async def write(loop: Loop, origin: str, **state: Any) -> tuple[Batch, dict[str, Any], dict[str, Any]]:
    """Have the first batch of an origin written: the batch, what the writer was told, what the node returned."""
    batches = loop.round(1).batches()
    number = next(place for place, batch in enumerate(batches) if batch.origin == origin)
    workspace = loop.workspace()
    before = len(loop.teacher.asked("SampleBatch"))
    update = await generate(AugmentState(round=1, number=number, **state), loop.runtime, workspace=workspace)
    await workspace.aclose()
    (data,) = loop.teacher.asked("SampleBatch")[before:]
    return batches[number], data, update


async def allocated(tmp_path: Path, **settings: Any) -> Loop:
    loop = with_train_failures(new_loop(tmp_path, **settings))
    await loop.until("accept")
    return loop


async def test_rows_for_a_pattern_follow_its_strategy(tmp_path: Path) -> None:
    loop = await allocated(tmp_path)
    batch, data, update = await write(loop, "pattern")
    strategy = loop.round(1).strategy(batch.pattern or "")
    assert set(data) == KEYS
    assert data["strategy"] == {"title": strategy.title, "instructions": strategy.instructions}
    assert (data["error"], data["original"], data["feedback"], data["previous"]) == (None,) * 4
    assert data["count"] == batch.count
    assert update["attempt"] == 1
    assert update["missing"] == batch.count == len(update["samples"])


async def test_a_batch_for_a_pattern_has_the_analysis_of_one_of_its_failures(tmp_path: Path) -> None:
    loop = await allocated(tmp_path)
    batch, data, _ = await write(loop, "pattern")
    assert batch.case in loop.round(1).patterns()[batch.pattern or ""].failures
    analysis = loop.round(1).analysis(batch.case or "")
    assert data["case"] == {"root_cause": analysis.root_cause, "scenario": analysis.scenario}


async def test_without_cases_a_batch_is_for_the_pattern_as_a_whole(tmp_path: Path) -> None:
    loop = await allocated(tmp_path, cases=False)
    batch, data, _ = await write(loop, "pattern")
    assert (batch.case, data["case"]) == (None, None)
    assert data["strategy"]


async def test_exploration_has_no_strategy_and_shows_training_rows(tmp_path: Path) -> None:
    loop = await allocated(tmp_path, explore_share=0.5)
    _, data, _ = await write(loop, "explore")
    assert (data["strategy"], data["case"], data["error"]) == (None, None, None)
    train = {(request_of(row["prompt"]), row["completion"]) for row in read_jsonl(loop.paths.data("train"))}
    assert data["examples"]
    assert {(row["prompt"], row["completion"]) for row in data["examples"]} <= train


async def test_rows_for_a_training_error_show_it_and_rows_near_it(tmp_path: Path) -> None:
    loop = await allocated(tmp_path)
    batch, data, _ = await write(loop, "train_error")
    rows = {row["id"]: row for row in read_jsonl(loop.paths.data("train"))}
    row = rows[batch.source or ""]
    assert data["strategy"] is None
    text = request_of(row["prompt"])
    assert (data["error"]["prompt"], data["error"]["expected"]) == (text, row["completion"])
    assert data["error"]["predicted"] != row["completion"]
    # its twin, which has the same prompt and another label, is another row
    shown = [(example["prompt"], example["completion"]) for example in data["examples"]]
    assert (text, row["completion"]) not in shown


async def test_no_validation_or_test_row_is_shown(tmp_path: Path) -> None:
    loop = await allocated(tmp_path, explore_share=0.5)
    guarded = {
        request_of(row["prompt"])
        for split in ("validation", "test")
        for row in read_jsonl(loop.paths.data(split))
    }
    for origin in ("pattern", "train_error", "explore"):
        _, data, _ = await write(loop, origin)
        assert not [prompt for prompt in guarded if prompt in str(data)]


async def test_a_batch_that_was_sent_back_asks_for_the_missing_rows_with_the_feedback(tmp_path: Path) -> None:
    loop = await allocated(tmp_path)
    previous = [{"prompt": "p", "completion": "c"}]
    _, data, update = await write(
        loop, "pattern", attempt=1, missing=2, feedback="Vary the dates.", previous=previous
    )
    assert (data["count"], data["feedback"], data["previous"]) == (2, "Vary the dates.", previous)
    assert (update["attempt"], update["missing"], len(update["samples"])) == (2, 2, 2)


async def test_the_writer_sees_only_what_varies_and_judge_and_student_see_whole_prompts(
    tmp_path: Path,
) -> None:
    loop = await allocated(tmp_path, explore_share=0.3, max_attempts=2)
    form = {"before": BEFORE, "after": AFTER}
    for schema in {schema for _, schema, _ in loop.teacher.calls}:
        assert all(data["task"]["prompt_form"] == form for data in loop.teacher.asked(schema)), schema
    for data in loop.teacher.asked("SampleBatch"):
        rows = [*data["examples"], *(data["previous"] or []), *([data["error"]] if data["error"] else [])]
        assert rows
        assert not [row for row in rows if BEFORE in row["prompt"] or AFTER in row["prompt"]]
    assert any(data["previous"] for data in loop.teacher.asked("SampleBatch"))
    for data in loop.teacher.asked("QualityReport"):
        assert all(
            row["prompt"].startswith(BEFORE) and row["prompt"].endswith(AFTER)
            for row in data["samples"] + data["examples"]
        )


@pytest.mark.parametrize(
    "repeats", ["{text}", BEFORE + "{text}", "Request: {text}", "{text}\nLabel:", "\n{text}\n"]
)
async def test_the_fixed_parts_come_back_once_whatever_the_writer_repeats(
    tmp_path: Path, repeats: str
) -> None:
    def change(schema: str, data: Any, reply: Any) -> Any:
        if schema == "SampleBatch":
            for sample in reply["samples"]:
                sample["prompt"] = repeats.format(text=request_of(sample["prompt"]))
        return reply

    plain, loop = new_loop(tmp_path / "plain"), new_loop(tmp_path / "other", ScriptedTeacher(change))
    for each in (plain, loop):
        await each.until("accept")
    plan = loop.round(1).batches()
    assert plan
    for batch in plan:
        assert loop.round(1).batch_rows(batch.id) == plain.round(1).batch_rows(batch.id)


async def test_rows_without_a_shared_form_are_shown_and_written_whole(tmp_path: Path) -> None:
    loop = new_loop(tmp_path)
    for split in ("train", "validation", "test"):
        rows = list(read_jsonl(loop.paths.data(split)))
        write_jsonl(loop.paths.data(split), [{**row, "prompt": request_of(row["prompt"])} for row in rows])
    await loop.until("accept")
    train = {row["prompt"] for row in read_jsonl(loop.paths.data("train"))}
    for data in loop.teacher.asked("SampleBatch"):
        assert "prompt_form" not in data["task"]
        assert {row["prompt"] for row in data["examples"]} <= train
    assert all(row.prompt.startswith(BEFORE) for row in loop.round(1).batch_rows("r1-b0")), (
        "as they were written"
    )


async def test_the_same_state_asks_the_same(tmp_path: Path) -> None:
    """So that a branch that runs again takes its answers from the ledger."""
    loop = await allocated(tmp_path)
    first, again = [await write(loop, "pattern") for _ in range(2)]
    assert first == again


@pytest.mark.parametrize(
    ("origin", "method", "purpose"),
    [
        ("pattern", "pada", "pattern"),
        ("train_error", "pada", "train_error"),
        ("train_error", "llms_as_instructors_contrast", "contrast"),
        ("train_row", "auggpt", "train_row"),
        ("task", "random", "task"),
        ("explore", "pada", "explore"),
    ],
)
def test_each_kind_of_writing_has_its_prompt(tmp_path: Path, origin: Any, method: str, purpose: str) -> None:
    loop = new_loop(tmp_path, method=method)
    assert writing(Batch(id="r1-b0", round=1, origin=origin, count=1), loop.loop) == purpose
