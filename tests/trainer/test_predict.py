"""Prediction files, and students prepared for prediction, against transformers alone."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainer.reference_model import (
    QUESTIONS,
    chat_prompts,
    reference_logprob,
    reference_reply,
    with_adapter,
)
from trainer.data import Encoder, stop_tokens
from trainer.decoding import generate
from trainer.merged import ready
from trainer.model import load_tokenizer
from trainer.predict import main
from trainer.specs import LoraSpec, PredictReport, StudentSpec
from trainer.tasks.base import Rendered, Task


class Plain(Task):
    name = "plain"
    max_new_tokens = 12


class Choice(Task):
    """Chooses between the texts in `choices`."""

    def render(self, example: Any) -> Rendered:
        return Rendered(
            prompt=example.prompt, completion=example.completion, choices=example.field("choices")
        )


class ChoiceByToken(Choice):
    normalize = "tokens"


class ChoiceByByte(Choice):
    normalize = "bytes"


def test_a_merged_student_is_itself_again(tiny_student: Path) -> None:
    """With bf16 weights, as after training: inside the block float32 and merged, after it the same bits and layers."""
    student = StudentSpec(model=str(tiny_student))
    model = with_adapter(student, torch.bfloat16)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ids = torch.tensor([[3, 4, 5, 6]])
    with torch.no_grad():
        plain = model(input_ids=ids).logits
        with ready(model, student) as dtype:
            merged = model(input_ids=ids).logits
        again = model(input_ids=ids).logits
    assert dtype == merged.dtype == torch.float32
    assert torch.equal(plain, again)
    assert not torch.equal(plain.float(), merged)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert next(model.parameters()).dtype == torch.bfloat16


@pytest.mark.student
def test_adapter_and_merged_student_answer_alike(student_folder: Path) -> None:
    student = StudentSpec(model=str(student_folder), dtype="float32", lora=LoraSpec(r=4))
    model = with_adapter(student, torch.float32)
    tokenizer = load_tokenizer(student)
    prompts = chat_prompts(tokenizer, QUESTIONS)
    stops = stop_tokens(tokenizer, student)

    def answers() -> list[list[int]]:
        replies = generate(model, prompts, max_new_tokens=6, stops=stops, batch_size=5)
        return [reply.tokens for reply in replies]

    apart = answers()
    with model.disable_adapter():
        assert answers() != apart, "the adapter must change something"
    with ready(model, student):
        assert answers() == apart


@pytest.fixture
def write_spec(tmp_path: Path, tiny_student: Path) -> Any:
    """Writes rows and a spec for the tiny student; returns the spec's path and the output folder."""

    def write(task: str, rows: list[dict[str, Any]], **student: Any) -> tuple[Path, Path]:
        file = tmp_path / "rows.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        output = tmp_path / "out"
        spec = {
            "task": task,
            "student": {"model": str(tiny_student), "dtype": "float32", "template": "plain"} | student,
            "output": str(output),
            "predict": [{"name": "rows", "rows": str(file), "output": str(output / "rows.jsonl")}],
        }
        path = tmp_path / "spec.json"
        path.write_text(json.dumps(spec))
        return path, output

    return write


def predictions(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "rows.jsonl").read_text().splitlines()]


def rows_of(texts: list[str], **fields: Any) -> list[dict[str, Any]]:
    return [
        {"id": f"row-{number}", "prompt": text, "completion": "x"} | fields
        for number, text in enumerate(texts)
    ]


def test_a_file_of_rows(write_spec: Any, tiny: Any) -> None:
    """The order is kept, an over-long row is reported with an empty reply, and replies are cut at the student's limit."""
    long = "and so on " * 40
    texts = [QUESTIONS[2], QUESTIONS[0], long, QUESTIONS[1]]
    path, output = write_spec("exact_match", rows_of(texts), max_length=40, max_new_tokens=4)
    assert main([str(path)]) == 0
    answers = predictions(output)
    report = PredictReport.model_validate_json((output / "report.json").read_text())
    model, tokenizer = tiny
    for row, text in zip(answers, texts, strict=True):
        if text is long:
            assert (row["text"], row["tokens"], row["truncated"]) == ("", 0, True)
            continue
        tokens, cut = reference_reply(model, tokenizer(text)["input_ids"], 4, [tokenizer.eos_token_id])
        assert row["text"] == tokenizer.decode(tokens, skip_special_tokens=True)
        assert (row["tokens"], row["truncated"]) == (len(tokens), cut)
    assert [row["id"] for row in answers] == ["row-0", "row-1", "row-2", "row-3"]
    assert report.over_long == {"rows": ["row-2"]}
    assert (report.rows, report.generated_tokens) == (4, sum(row["tokens"] for row in answers))
    assert (report.dtype, report.device) == ("float32", "cpu")
    lines = [json.loads(line) for line in (output / "progress.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines if line["stage"] != "predict"] == ["load", "done"]
    assert [line["step"] for line in lines if line["stage"] == "predict"][-1] == 4


@pytest.mark.parametrize("task", ["Choice", "ChoiceByToken", "ChoiceByByte"])
def test_the_likeliest_choice(write_spec: Any, tiny: Any, task: str) -> None:
    choices = ["red", "a very dark green that is nearly black", "blue as the sea"]
    rows = rows_of(QUESTIONS, choices=choices)
    path, output = write_spec(f"{__name__}:{task}", rows)
    assert main([str(path)]) == 0
    model, tokenizer = tiny
    student = StudentSpec(template="plain")
    encoder = Encoder(Plain(), tokenizer, student)
    assert not encoder.chat
    for row, text in zip(predictions(output), QUESTIONS, strict=True):
        context = tokenizer(text)["input_ids"]
        tokens = [tokenizer(f" {choice}")["input_ids"] for choice in choices]
        expected = [reference_logprob(model, context, choice) for choice in tokens]
        size = {
            "Choice": [1, 1, 1],
            "ChoiceByToken": [len(choice) for choice in tokens],
            "ChoiceByByte": [len(choice.encode()) for choice in choices],
        }[task]
        weighed = [logprob / divisor for logprob, divisor in zip(expected, size, strict=True)]
        assert row["choice_logprobs"] == pytest.approx(expected, abs=1e-4)
        assert row["choice"] == weighed.index(max(weighed))
        assert row["text"] == choices[row["choice"]]


def unlabeled(path: Path) -> Path:
    """The spec, with rows that have no answers."""
    spec = json.loads(path.read_text())
    rows = Path(spec["predict"][0]["rows"])
    asked = [json.loads(line) for line in rows.read_text().splitlines()]
    rows.write_text("".join(json.dumps(row | {"completion": ""}) + "\n" for row in asked))
    spec["predict"][0]["unlabeled"] = True
    path.write_text(json.dumps(spec))
    return path


def test_rows_without_answers_have_the_probability_of_the_reply(write_spec: Any, tiny: Any) -> None:
    """Of the reply with the token that ends it, or of the tokens that there are where it was cut."""
    long = "and so on " * 40
    texts = [*QUESTIONS[:3], long]
    path, output = write_spec("exact_match", rows_of(texts), max_length=40, max_new_tokens=4)
    assert main([str(unlabeled(path))]) == 0
    model, tokenizer = tiny
    *answers, too_long = predictions(output)
    assert too_long["certainty"] is None
    for row, text in zip(answers, texts, strict=False):
        context = tokenizer(text)["input_ids"]
        tokens, cut = reference_reply(model, context, 4, [tokenizer.eos_token_id])
        whole = tokens if cut else [*tokens, tokenizer.eos_token_id]
        assert row["certainty"] == pytest.approx(math.exp(reference_logprob(model, context, whole)), rel=1e-3)


def test_rows_without_answers_have_the_share_of_the_chosen_choice(write_spec: Any) -> None:
    choices = ["red", "a very dark green that is nearly black", "blue as the sea"]
    path, output = write_spec(f"{__name__}:Choice", rows_of(QUESTIONS, choices=choices))
    assert main([str(unlabeled(path))]) == 0
    for row in predictions(output):
        weights = [math.exp(logprob) for logprob in row["choice_logprobs"]]
        assert row["certainty"] == pytest.approx(max(weights) / sum(weights), rel=1e-6)


def test_rows_with_answers_say_nothing_of_certainty(write_spec: Any) -> None:
    path, output = write_spec("exact_match", rows_of(QUESTIONS[:1]), max_new_tokens=4)
    assert main([str(path)]) == 0
    assert predictions(output)[0]["certainty"] is None


def test_an_empty_choice_is_named(write_spec: Any, capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(QUESTIONS[:1], choices=["red", ""])
    path, output = write_spec(f"{__name__}:Choice", rows, template="chat")
    assert main([str(path)]) == 1
    assert "'row-0' has an empty choice" in capsys.readouterr().err
    assert not (output / "report.json").exists()


def test_a_finished_report_is_left_alone(write_spec: Any) -> None:
    path, output = write_spec("exact_match", rows_of(QUESTIONS[:1]), model="no such folder")
    output.mkdir()
    (output / "report.json").write_text("{}")
    assert main([str(path)]) == 0
    assert (output / "report.json").read_text() == "{}"


def test_a_missing_student_is_one_paragraph(write_spec: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path, output = write_spec("exact_match", rows_of(QUESTIONS[:1]), model="./no-such-folder")
    assert main([str(path)]) == 1
    error = capsys.readouterr().err
    assert "no-such-folder" in error
    assert error.count("\n") == 1
    assert json.loads((output / "progress.jsonl").read_text().splitlines()[-1])["stage"] == "error"


def test_students_of_one_base_answer_in_one_start(
    write_spec: Any, tiny_student: Path, tmp_path: Path
) -> None:
    """Each file's replies equal those of its own student when it runs alone."""
    student = StudentSpec(model=str(tiny_student), dtype="float32", lora=LoraSpec(r=4))
    with_adapter(student, torch.float32).save_pretrained(tmp_path / "adapter")
    rows = rows_of(["one", "two", "three"])

    def ask(folder: Path, *names: str, **students: Any) -> dict[str, str]:
        spec, _ = write_spec("exact_match", rows, max_new_tokens=6)
        document = json.loads(spec.read_text())
        files = {name: folder / f"{name}.jsonl" for name in names}
        document["predict"] = [
            document["predict"][0] | {"name": name, "output": str(path)} for name, path in files.items()
        ]
        spec.write_text(json.dumps(document | {"output": str(folder)} | students))
        assert main([str(spec)]) == 0
        return {name: path.read_text() for name, path in files.items()}

    trained = str(tmp_path / "adapter")
    alone = ask(tmp_path / "a", "base") | ask(tmp_path / "b", "trained", adapter=trained)
    assert alone["base"] != alone["trained"]
    assert ask(tmp_path / "both", "base", "trained", adapters={"trained": trained}) == alone
    report = PredictReport(**json.loads((tmp_path / "both" / "report.json").read_text()))
    assert report.rows == 6
    assert set(report.predictions) == {"base", "trained"}
    assert set(report.seconds) == {"load", "predict"}
