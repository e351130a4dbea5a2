"""The end of a round's rows: batches against one another, the choice, and what is trained on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from graphs.nodes.accept import accept
from graphs.state import LoopState
from tests.graphs.loop_harness import Loop, new_loop, with_train_failures
from trainer.artifacts import read_jsonl, write_jsonl
from trainer.data_files import read_examples


async def closed(loop: Loop, state: LoopState) -> dict[str, Any]:
    workspace = loop.workspace()
    update = await accept(state, loop.runtime, workspace=workspace)
    await workspace.aclose()
    return update


async def test_every_written_row_is_kept_and_the_accepted_ones_are_for_the_trainer(tmp_path: Path) -> None:
    loop = new_loop(tmp_path)
    state = await loop.until("accept")
    update = await closed(loop, state)
    batches = loop.round(1).batches()
    written = [row.id for batch in batches for row in loop.round(1).batch_rows(batch.id)]
    rows = loop.round(1).rows()
    assert [row.id for row in rows] == written, "in the order of the plan"
    accepted = [row.id for row in rows if row.verdict == "accepted"]
    assert [row.id for row in loop.round(1).accepted()] == accepted
    assert update == {"accepted": len(accepted)}


async def test_the_later_of_two_alike_rows_of_different_batches_is_a_duplicate(tmp_path: Path) -> None:
    loop = new_loop(tmp_path)
    state = await loop.until("accept")
    here = loop.round(1)
    first, second = here.batches()[:2]
    original = next(row for row in here.batch_rows(first.id) if row.verdict == "accepted")
    twin = original.model_copy(update={"id": "twin", "batch": second.id})
    others = [row.model_dump(mode="json") for row in here.batch_rows(second.id)]
    here.write_batch_rows(second.id, [twin.model_dump(mode="json"), *others])
    await closed(loop, state)
    verdicts = {row.id: row for row in loop.round(1).rows()}
    assert verdicts[original.id].verdict == "accepted"
    assert verdicts["twin"].verdict == "duplicate"
    assert (verdicts["twin"].evidence or {})["id"] == original.id


async def test_new_rows_have_the_system_turn_that_all_training_rows_have(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, synthetic_per_round=8, oversample=2)
    system = {"role": "system", "content": "You sort mail."}
    for split in ("train", "validation", "test"):
        rows = list(read_jsonl(loop.paths.data(split)))
        write_jsonl(
            loop.paths.data(split),
            [{**row, "messages": [system, {"role": "user", "content": row["prompt"]}]} for row in rows],
        )
    await closed(loop, await loop.until("accept"))
    assert all(
        d["task"]["prompt_form"]["system"] == "You sort mail." for d in loop.teacher.asked("SampleBatch")
    )
    paths = loop.paths.round(1)
    for path in (paths.accepted, paths.selection / "rows.jsonl"):
        new = read_examples(path)
        assert new, "as the trainer reads them"
        assert all(row.messages and row.messages[0].content == "You sort mail." for row in new)
        assert all(row.messages and row.messages[-1].content == row.prompt for row in new)


async def test_new_rows_have_the_system_turn_of_the_row_that_they_are_written_for(tmp_path: Path) -> None:
    """Train failures of one system turn, validation failures of both, one of which no train row has."""
    loop = with_train_failures(new_loop(tmp_path, synthetic_per_round=24))
    systems: dict[str, str] = {}
    for split in ("train", "validation", "test"):
        rows = list(read_jsonl(loop.paths.data(split)))
        for number, row in enumerate(rows):
            other = "Only validation says this." if split == "validation" else "You sort letters."
            systems[row["id"]] = other if number % 3 == 1 else "You sort mail."
            system = {"role": "system", "content": systems[row["id"]]}
            row["messages"] = [system, {"role": "user", "content": row["prompt"]}]
        write_jsonl(loop.paths.data(split), rows)
    await closed(loop, await loop.until("accept"))
    new = [each for each in loop.round(1).rows() if each.verdict == "accepted"]
    began = {new_row.id: new_row.messages[0].content for new_row in new if new_row.messages}
    assert len(began) == len(new)
    for new_row in new:
        wanted = systems[new_row.source or new_row.case or ""]
        if wanted == "Only validation says this.":
            assert began[new_row.id] in ("You sort mail.", "You sort letters.")
        else:
            assert began[new_row.id] == wanted
    assert {new_row.origin for new_row in new} == {"pattern", "train_error"}
    asked = {d["batch"].partition(", ")[2]: d["system"] for d in loop.teacher.asked("SampleBatch")}
    assert all(began[new_row.id] == asked[new_row.batch] for new_row in new), "the writer is told"
    assert {d["system"] for d in loop.teacher.asked("ErrorAnalysis")} == {*systems.values()} - {
        "You sort letters."
    }
    assert {d["system"] for d in loop.teacher.asked("QualityReport")} == {
        "You sort mail.",
        "You sort letters.",
    }
    for data in loop.teacher.asked("SampleBatch"):
        assert all(example["system"] != "Only validation says this." for example in data["examples"])


async def test_running_it_again_gives_the_same_rows(tmp_path: Path) -> None:
    loop = new_loop(tmp_path)
    state = await loop.until("accept")
    first, rows = await closed(loop, state), loop.round(1).rows()
    assert (await closed(loop, state), loop.round(1).rows()) == (first, rows)


async def test_more_rows_than_are_kept_become_surplus_with_a_reason(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, synthetic_per_round=8, oversample=3)
    state = await loop.until("accept")
    await closed(loop, state)
    counts = Counter(row.verdict for row in loop.round(1).rows())
    assert counts["accepted"] == 8
    assert counts["surplus"] > 0
    assert all(row.reason for row in loop.round(1).rows() if row.verdict == "surplus")


async def test_a_round_without_batches_accepts_nothing(tmp_path: Path) -> None:
    loop = new_loop(tmp_path)
    state = await loop.until("allocate")
    update = await closed(loop, state)
    assert update == {"accepted": 0}
    assert not loop.round(1).rows()
    assert not loop.round(1).accepted()
