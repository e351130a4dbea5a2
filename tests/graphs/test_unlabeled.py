"""Unlabelled rows in the whole loop: chosen, answered, checked, and each used once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from graphs.errors import EndpointDown, RunPaused
from graphs.nodes.allocate import allocate
from tests.fakes import ScriptedTeacher
from tests.graphs.loop_harness import Loop, new_loop, read_rows
from tests.tiny_task import FILLER, KEYS, ask, label_of, rows
from trainer.artifacts import read_json, write_jsonl

BOTH = {"generated": 0.5, "unlabeled": 0.5}


def with_pool(loop: Loop, count: int = 120, extra: list[dict[str, Any]] | None = None) -> Loop:
    """Real requests with all key words, and no answers."""
    pool = [
        {"id": f"log-{n}", "prompt": row["prompt"], "completion": ""}
        for n, row in enumerate(rows("pool", count))
    ]
    write_jsonl(loop.paths.data("unlabeled"), [*pool, *(extra or [])])
    return loop


async def test_half_of_a_round_is_real_prompts_with_the_teachers_answers(tmp_path: Path) -> None:
    loop = with_pool(new_loop(tmp_path, sources=BOTH))
    await loop.go({})
    real = {row["id"]: row["prompt"] for row in rows("pool", 120)}
    batches = read_rows(loop, 1, "batches")
    assert sum(b["count"] for b in batches if b["origin"] == "unlabeled") == 12
    assert sum(b["count"] for b in batches if b["origin"] != "unlabeled") == 12
    answered = [row for row in loop.written(1) if row.origin == "unlabeled"]
    assert len(answered) == 12
    for row in answered:
        assert row.source
        assert row.prompt == real[row.source.replace("log", "pool")]
        assert row.completion == label_of(row.prompt)
        assert row.pattern in {pattern["id"] for pattern in read_rows(loop, 1, "patterns")}
    accepted = [row for row in read_rows(loop, 1, "accepted") if row["origin"] == "unlabeled"]
    assert {row["source"] for row in accepted} == {
        row.source for row in answered if row.verdict == "accepted"
    }
    assert accepted, "the student learns from them"


async def test_the_teacher_sees_the_prompts_and_no_validation_or_test_row(tmp_path: Path) -> None:
    loop = with_pool(new_loop(tmp_path, sources=BOTH, rounds=1))
    await loop.go({})
    asked = loop.teacher.asked("BlindAnswers")
    assert asked
    train = {row["prompt"] for row in rows("train")}
    pool = {row["prompt"] for row in rows("pool", 120)}
    for data in asked:
        assert set(data["prompts"]) <= pool
        assert {row["prompt"] for row in data["examples"]} <= train
    judged = [data["samples"] for data in loop.teacher.asked("QualityReport")]
    shown = {sample["prompt"] for samples in judged for sample in samples}
    assert {row.prompt for row in loop.written(1) if row.origin == "unlabeled"} <= shown, (
        "a judge sees them too"
    )


async def test_a_row_is_used_once_in_a_run(tmp_path: Path) -> None:
    loop = with_pool(new_loop(tmp_path, method="active", rounds=3, synthetic_per_round=12, patience=3), 30)
    state, _ = await loop.go({})
    used = [row.source for number in (1, 2, 3) for row in loop.written(number)]
    assert len(used) == len(set(used)) == 30
    assert state["stopped"] == "All 3 rounds are done."


async def test_without_rows_that_are_left_the_loop_ends(tmp_path: Path) -> None:
    loop = with_pool(new_loop(tmp_path, method="active", rounds=3, synthetic_per_round=12, patience=3), 12)
    state, _ = await loop.go({})
    assert state["stopped"] == "Every unlabelled row was used."
    assert state["round"] == 1


async def test_generated_rows_take_the_place_of_real_ones_that_are_not_there(tmp_path: Path) -> None:
    loop = with_pool(new_loop(tmp_path, sources=BOTH, rounds=1), 5)
    await loop.go({})
    counts: Counter[str] = Counter()
    for batch in read_rows(loop, 1, "batches"):
        counts[batch["origin"] == "unlabeled"] += batch["count"]
    assert counts == {True: 5, False: 19}


async def test_active_asks_for_answers_alone(tmp_path: Path) -> None:
    loop = with_pool(new_loop(tmp_path, method="active", rounds=1, synthetic_per_round=12))
    await loop.go({})
    assert {(role, schema) for role, schema, _ in loop.teacher.calls} == {
        ("generator", "BlindAnswers"),
        ("judge", "QualityReport"),
    }
    assert {(row.origin, row.pattern) for row in loop.written(1)} == {("unlabeled", None)}
    assert not loop.paths.round(0).predictions("train").exists()


async def test_random_takes_rows_as_they_come(tmp_path: Path) -> None:
    loop = with_pool(
        new_loop(tmp_path, method="random", sources={"unlabeled": 1}, rounds=1, synthetic_per_round=12)
    )
    await loop.go({})
    assert {row.origin for row in loop.written(1)} == {"unlabeled"}
    assert len(loop.written(1)) == 12
    assert not (loop.paths.round(1).unlabeled / "predictions.jsonl").exists(), "the student is not asked"


async def test_rows_near_to_those_of_the_splits_are_refused_and_counted(tmp_path: Path) -> None:
    """A copy with one word more of a validation, a test and a train row, which the student does not know."""
    near = [
        {
            "id": f"near-{split}",
            "prompt": rows(split)[2]["prompt"].replace("\nLabel:", " please\nLabel:"),
            "completion": "",
        }
        for split in ("validation", "test", "train")
    ]
    loop = with_pool(new_loop(tmp_path, method="active", rounds=1, synthetic_per_round=12), 12, near)
    await loop.go({})
    assert not {row.source for row in loop.written(1)} & {row["id"] for row in near}
    choice = read_json(loop.paths.round(1).unlabeled_choice)
    assert choice == {"left": 15, "looked_at": 15, "refused": 3, "chosen": 12}


async def test_the_order_in_which_answers_arrive_changes_nothing(tmp_path: Path) -> None:
    class Unordered(ScriptedTeacher):
        """Answers after a random number of turns of the event loop."""

        async def ask(self, role: Any, schema: Any, instructions: str, data: dict[str, Any]) -> Any:
            for _ in range(random.randrange(30)):
                await asyncio.sleep(0)
            return await super().ask(role, schema, instructions, data)

    plain = with_pool(new_loop(tmp_path / "plain", sources=BOTH))
    await plain.go({})
    other = with_pool(new_loop(tmp_path / "other", Unordered(), sources=BOTH))
    await other.go({})
    for number in (1, 2):
        assert read_rows(other, number, "rows") == read_rows(plain, number, "rows")


async def test_a_pause_loses_and_doubles_nothing(tmp_path: Path) -> None:
    plain = with_pool(new_loop(tmp_path / "plain", sources=BOTH))
    expected, _ = await plain.go({})
    left = 2

    def fails(schema: str, data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        nonlocal left
        left -= schema == "BlindAnswers"
        if schema == "BlindAnswers" and left == 0:
            raise EndpointDown("down")
        return reply

    loop = with_pool(new_loop(tmp_path / "paused", ScriptedTeacher(fails), sources=BOTH))
    with pytest.raises(RunPaused):
        await loop.go({})
    state, _ = await loop.go(None)
    assert state == expected
    for number in (1, 2):
        assert read_rows(loop, number, "rows") == read_rows(plain, number, "rows")
    assert len(loop.student.predicted) == len(plain.student.predicted)


async def test_a_kill_after_the_choice_leaves_the_same_choice(tmp_path: Path) -> None:
    """The node runs again from its start: the same batches, and the student is not asked again."""
    loop = with_pool(new_loop(tmp_path, sources=BOTH, rounds=1))
    state = await loop.until("allocate")
    plans = []
    for _ in range(2):
        workspace = loop.workspace()
        await allocate(state, loop.runtime, workspace=workspace)
        await workspace.aclose()
        plans.append(loop.round(1).batches())
        # killed before the plan was on file
        loop.paths.round(1).batches.unlink()
    assert plans[0] == plans[1]
    assert any(batch.prompts for batch in plans[0])
    assert len(loop.student.predicted) == 1


async def test_a_reply_with_too_few_answers_is_asked_for_again(tmp_path: Path) -> None:
    """Nobody can tell which answer is whose."""
    asked: Counter[str] = Counter()

    def forgets(schema: str, data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        if schema != "BlindAnswers":
            return reply
        asked[data["vote"]] += 1
        return {"answers": reply["answers"][1:]} if data["vote"].endswith("attempt 1") else reply

    teacher = ScriptedTeacher(forgets)
    loop = with_pool(new_loop(tmp_path, teacher, method="active", rounds=1, synthetic_per_round=12))
    await loop.go({})
    assert [row.completion for row in loop.written(1)] == [label_of(row.prompt) for row in loop.written(1)]
    assert {row.attempt for row in loop.written(1)} == {2}
    assert set(asked.values()) == {1}, "each attempt is a request of its own"


async def test_rows_that_the_teacher_never_answers_are_free_for_the_next_round(tmp_path: Path) -> None:
    def forgets(schema: str, data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        forgotten = schema == "BlindAnswers" and ", r1-b" in data["vote"]
        return {"answers": []} if forgotten else reply

    loop = with_pool(
        new_loop(tmp_path, ScriptedTeacher(forgets), method="active", synthetic_per_round=12, patience=2), 12
    )
    await loop.go({})
    assert loop.written(1) == []
    assert {row.source for row in loop.written(2)} == {f"log-{n}" for n in range(12)}


async def test_blind_votes_of_the_judge_dispute_an_answer(tmp_path: Path) -> None:
    labels = list(KEYS)
    wrong = dict(zip(labels, labels[1:] + labels[:1], strict=True))

    def errs(schema: str, data: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        if schema == "BlindAnswers" and str(data["vote"]).startswith("seed"):
            return {"answers": [wrong[reply["answers"][0]], *reply["answers"][1:]]}
        return reply

    teacher = ScriptedTeacher(errs)
    loop = with_pool(
        new_loop(tmp_path, teacher, method="active", rounds=1, synthetic_per_round=12, qc=False, qc_blind=2)
    )
    await loop.go({})
    verdicts = {row.id: row.verdict for row in loop.written(1)}
    assert {name for name, verdict in verdicts.items() if verdict == "disputed"} == {
        f"r1-b{n}-a1-0" for n in range(3)
    }


async def test_a_conversation_keeps_its_turns_and_the_teacher_sees_them(tmp_path: Path) -> None:
    rng = random.Random("chat")
    last = ask(KEYS["refund"][2], rng)
    turns = [
        {"role": "user", "content": " ".join(rng.sample(FILLER, 5))},
        {"role": "assistant", "content": "What is it about?"},
        {"role": "user", "content": last},
    ]
    chat = {"id": "chat", "prompt": last, "completion": "", "messages": turns}
    loop = with_pool(new_loop(tmp_path, method="active", rounds=1, synthetic_per_round=1), 0, [chat])
    await loop.go({})
    (row,) = loop.written(1)
    assert [turn.model_dump() for turn in row.messages or []] == turns
    (asked,) = loop.teacher.asked("BlindAnswers")
    assert all(turn["content"] in asked["prompts"][0] for turn in turns)
    (judged,) = loop.teacher.asked("QualityReport")
    assert turns[0]["content"] in judged["samples"][0]["prompt"]
