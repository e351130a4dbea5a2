"""The worker that answers with students: its lines, and that it answers as predictions do."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trainer.data import Encoder, reply_limit, stop_tokens
from trainer.decoding import generate
from trainer.records import Example
from trainer.serve import answer, shares
from trainer.serving import AnswerLine, Question
from trainer.specs import StudentSpec
from trainer.students import Students
from trainer.tasks import load_task

LABELS = ("red", "green", "blue")


@pytest.fixture(scope="module")
def students() -> Students:
    return Students()


@pytest.fixture
def question(tiny_student: Path, tmp_path: Path) -> Question:
    train = tmp_path / "train.jsonl"
    rows = [{"id": label, "prompt": f"It is {label}.", "completion": label} for label in LABELS]
    train.write_text("".join(json.dumps(row) + "\n" for row in rows))
    student = StudentSpec(model=str(tiny_student), dtype="float32", max_length=64, max_new_tokens=12)
    example = Example(id="", prompt="Which colour is it?", completion="")
    return Question(
        id=7, task="classification", train=[train], student=student, adapter=None, example=example
    )


def lines_of(students: Students, question: Question, **changes: Any) -> list[AnswerLine]:
    return list(answer(students, question.model_copy(update=changes), lambda: True))


def text_of(lines: list[AnswerLine]) -> str:
    return "".join(line.text for line in lines)


@pytest.mark.parametrize("template", ["chat", "plain"])
def test_it_answers_as_predictions_do(
    students: Students, question: Question, tiny: Any, template: str
) -> None:
    model, tokenizer = tiny
    student = question.student.model_copy(update={"template": template})
    task = load_task("classification")
    row = Encoder(task, tokenizer, student).row(question.example)
    (expected,) = generate(
        model,
        [row.prompt],
        max_new_tokens=reply_limit(task, student),
        stops=stop_tokens(tokenizer, student),
        batch_size=1,
    )
    lines = lines_of(students, question, student=student)
    assert text_of(lines) == tokenizer.decode(expected.tokens, skip_special_tokens=True)
    end = lines[-1].end
    assert end
    assert end.prompt_tokens == len(row.prompt)
    assert end.completion_tokens == len(expected.tokens)
    assert (end.finish_reason == "length") == expected.truncated


def test_labels_have_probabilities(students: Students, question: Question) -> None:
    end = lines_of(students, question, labels=True)[-1].end
    assert end
    assert set(end.options) == set(LABELS)
    assert sum(end.options.values()) == pytest.approx(1)
    assert list(end.options.values()) == sorted(end.options.values(), reverse=True)


def test_a_task_with_options_answers_with_one(students: Students, question: Question) -> None:
    prompt = "Which is it?\nA. red\nB. green\nC. blue\nAnswer:"
    example = Example(id="", prompt=prompt, completion="")
    (line,) = lines_of(students, question, task="multiple_choice_loglikelihood", example=example)
    assert line.end
    options = line.end.options
    assert list(options) == sorted(options, key=lambda each: -options[each])
    assert line.text == next(iter(options))
    assert set(options) == {"A", "B", "C"}


def test_a_cancelled_answer_ends_at_the_next_token(students: Students, question: Question) -> None:
    wanted = itertools.chain([True] * 4, itertools.repeat(False))
    lines = list(answer(students, question, lambda: next(wanted)))
    assert len(text_of(lines)) < len(text_of(lines_of(students, question)))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"example": Example(id="", prompt="word " * 80, completion="")}, "`student.max_length`"),
        ({"max_tokens": 5000}, "room for"),
        ({"raw": True, "example": Example(id="", prompt="", completion="")}, "empty"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    students: Students, question: Question, changes: dict[str, Any], says: str
) -> None:
    (line,) = lines_of(students, question, **changes)
    assert line.refused
    assert line.error
    assert says in line.error


def test_a_missing_student_is_no_fault_of_the_question(
    students: Students, question: Question, tmp_path: Path
) -> None:
    (line,) = lines_of(students, question, adapter=tmp_path)
    assert line.error
    assert not line.refused


def test_probabilities_of_unlikely_options() -> None:
    assert shares(["a", "b"], [-2000.0, -2000.0]) == {"a": 0.5, "b": 0.5}
    assert shares([], []) == {}


def test_the_process_answers_in_order_and_skips_what_was_cancelled_before(question: Question) -> None:
    asked = [question.model_copy(update={"id": number}) for number in (1, 2, 3)]
    sent = [*(each.model_dump_json() for each in asked), json.dumps({"cancel": 2})]
    line = [sys.executable, "-m", "trainer.serve"]
    done = subprocess.run(line, input="\n".join(sent) + "\n", capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    answers = [AnswerLine.model_validate_json(each) for each in done.stdout.splitlines()]
    assert [each.id for each in answers if each.end] == [1, 3]
    whole = [text_of([each for each in answers if each.id == number]) for number in (1, 3)]
    assert whole[0] == whole[1] != ""
