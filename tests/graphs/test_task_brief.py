"""What teachers are told of the task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graphs.artifacts import TaskBrief
from graphs.context import Context
from graphs.errors import BudgetExhausted, TeacherError
from graphs.task_brief import MAX_LABEL_CHARACTERS, bounded_labels, known_answers, write_brief
from tests.fakes import ScriptedTeacher
from tests.graphs.loop_harness import new_loop
from tests.tiny_task import KEYS
from trainer.artifacts import read_json
from trainer.records import Example
from trainer.tasks import AnswerFacts, known_tasks, load_task

ROWS = [
    Example(id="1", prompt="hi", completion="greeting"),
    Example(id="2", prompt="hello there", completion="greeting"),
    Example(id="3", prompt="bye", completion="farewell"),
]


async def test_a_given_description_is_told_and_no_teacher_is_asked() -> None:
    teacher = ScriptedTeacher()
    context = Context(task="classification", task_description="Greet or part?")
    brief = await write_brief(context, load_task("classification", ROWS), ROWS, teacher)
    assert brief.for_teacher() == {
        "name": "classification",
        "description": "Greet or part?",
        "answers": {
            "judged": load_task("classification").answer_facts().judged,
            "form": load_task("classification").answer_facts().form,
            "labels": {"farewell": "1 rows", "greeting": "2 rows"},
            "characters": {
                "prompt": "half up to 3, nearly all up to 11",
                "completion": "half up to 8, nearly all up to 8",
            },
        },
    }
    assert (brief.drafted, teacher.calls) == (False, [])


async def test_every_role_is_told_the_task_and_the_description_is_drafted_once(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, rounds=2, qc_blind=1)
    loop.description = None
    await loop.go({})
    (asked,) = loop.teacher.asked("TaskDescription")
    train = {row.prompt for row in loop.workspace().examples("train")}
    assert {row["prompt"] for row in asked["examples"]} <= train
    kept = TaskBrief(**read_json(loop.paths.task_brief))
    assert kept.drafted
    assert str(kept.description).startswith("Which kind is the request? There are 4 kinds.")
    assert set(kept.answers["labels"]) == set(KEYS)
    schemas = (
        "ErrorAnalysis",
        "FailurePattern",
        "AugmentationStrategy",
        "SampleBatch",
        "QualityReport",
        "BlindAnswers",
    )
    for schema in schemas:
        told = [data["task"] for data in loop.teacher.asked(schema)]
        assert told
        assert all(brief == kept.for_teacher() for brief in told), schema


async def test_a_later_start_does_not_draft_again(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, rounds=1)
    loop.description = None
    await loop.until("accept")
    await loop.go()
    assert len(loop.teacher.asked("TaskDescription")) == 1


async def test_a_teacher_that_cannot_describe_is_told_what_is_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(schema: str, data: Any, reply: Any) -> Any:
        if schema == "TaskDescription":
            raise TeacherError("no such role")
        return reply

    loop = new_loop(tmp_path, ScriptedTeacher(change=refuse), rounds=1)
    loop.description = None
    state, _ = await loop.go({})
    assert state["accepted"] > 0
    kept = TaskBrief(**read_json(loop.paths.task_brief))
    assert (kept.description, kept.drafted) == (None, False)
    assert kept.answers["labels"]
    assert "no such role" in caplog.text


async def test_a_pause_while_drafting_is_a_pause() -> None:
    def pause(*_: Any) -> Any:
        raise BudgetExhausted("the cap is reached")

    with pytest.raises(BudgetExhausted):
        await write_brief(
            Context(task="classification"),
            load_task("classification", ROWS),
            ROWS,
            ScriptedTeacher(change=pause),
        )


def test_labels_have_their_meaning_and_rows() -> None:
    assert bounded_labels({"a": 3, "b": 1}, {"a": "the first"}) == {"a": "the first; 3 rows", "b": "1 rows"}


def test_too_many_labels_are_listed_without_counts_and_cut() -> None:
    named = bounded_labels({f"label number {n}": 1 for n in range(250)}, {})
    assert named == {f"label number {n}": "" for n in range(250)}
    cut = bounded_labels({f"label number {n}": 1 for n in range(5000)}, {})
    assert len(json.dumps(cut)) <= MAX_LABEL_CHARACTERS + 40
    assert cut["..."] == f"and {5000 - len(cut) + 1} more"


def test_a_meaning_that_a_person_wrote_is_told_however_many_labels_there_are() -> None:
    """77 labels with a sentence each are longer than the bound; so are 5,000 labels with one meaning."""
    meanings = {f"label {n}": "when the customer " + "asks for this " * 8 for n in range(77)}
    assert bounded_labels(dict.fromkeys(meanings, 3), meanings) == meanings
    many = bounded_labels({f"label {n}": 1 for n in range(5000)}, {"label 4999": "the last"})
    assert many["label 4999"] == "the last"
    assert "..." in many


def test_fields_of_json_answers_are_told_with_their_kinds() -> None:
    rows = [
        Example(id="1", prompt="two at six", completion='{"people": 2, "time": "six"}'),
        Example(id="2", prompt="a table", completion='{"people": null}'),
    ]
    facts = load_task("json_fields", rows).answer_facts()
    assert facts.fields == {"people": "a number or null", "time": "text"}
    assert known_answers(facts, {}, rows)["fields"] == facts.fields


@pytest.mark.parametrize("name", sorted(known_tasks()))
def test_every_task_says_how_it_judges_and_which_form_answers_have(name: str) -> None:
    facts = load_task(name, ROWS).answer_facts()
    assert isinstance(facts, AnswerFacts)
    assert facts.judged.endswith(".")
    assert facts.form.endswith(".")
    assert "By the metric" not in facts.judged, "the base class does not know"
