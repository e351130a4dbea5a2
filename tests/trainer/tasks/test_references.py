"""Scores equal those of the reference code, row by row, on the same replies: lm-evaluation-harness 0.4, scikit-learn.

Of SQuAD's evaluation script the harness has the v1.1 functions, in its task qasper.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.tasks import native_rows
from trainer.records import Example, Prediction
from trainer.tasks import Task, load_task

ROWS = 400
Harness = Callable[[str, list[dict[str, Any]]], Any]


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> Harness:
    """The harness's own task, with our rows instead of the hub's."""
    import datasets
    import lm_eval.tasks

    datasets.disable_progress_bars()
    home = Path(lm_eval.tasks.__file__).parent

    def task(name: str, rows: list[dict[str, Any]]) -> Any:
        splits = {split: datasets.Dataset.from_list(rows) for split in ("train", "validation", "test")}
        monkeypatch.setattr(datasets, "load_dataset", lambda **_: splits)
        folder = home / name.removesuffix("_challenge")
        manager = lm_eval.tasks.TaskManager(include_defaults=False, include_path=str(folder))
        return manager.load([name])["tasks"][name]

    return task


def examples(task: Task, rows: list[dict[str, Any]]) -> list[Example]:
    """Rows of a source as the task reads them."""
    converted = [task.convert(row) for row in rows]
    read = [Example.model_validate({"id": str(n)} | row) for n, row in enumerate(converted) if row]
    assert not any(task.row_error(example) for example in read)
    return read


@pytest.mark.parametrize("seed", range(2))
def test_squad(seed: int) -> None:
    from lm_eval.tasks.qasper.metrics import f1_abstractive, normalize_answer

    rng, task = random.Random(seed), load_task("squad")
    rows = native_rows.squad_rows(ROWS, seed)
    read = examples(task, rows)
    replies = [Prediction(id=row["id"], text=native_rows.squad_reply(row, rng)) for row in rows]
    exact, f1 = [], []
    for row, example, reply in zip(rows, read, replies, strict=True):
        answers = row["answers"]["text"]
        exact.append(any(normalize_answer(reply.text) == normalize_answer(answer) for answer in answers))
        f1.append(max(f1_abstractive([reply.text], [answer]) for answer in answers))
        score = task.score(example, reply)
        assert score.detail == {"exact_match": float(exact[-1]), "f1": pytest.approx(f1[-1])}, reply
        assert (score.correct, score.value) == (exact[-1], score.detail["f1"])
    assert 0.1 < sum(exact) / ROWS < sum(f1) / ROWS < 0.9
    summary = task.summarize(read, replies)
    assert summary == {"exact_match": sum(exact) / ROWS, "f1": pytest.approx(sum(f1) / ROWS)}


def test_an_answer_that_normalisation_empties_is_exact_and_shares_no_word() -> None:
    """As in the v1.1 script, not as in the v2 script."""
    row = {"id": "a", "title": "t", "context": "The A.", "question": "q", "answers": {"text": ["The"]}}
    task = load_task("squad")
    score = task.score(examples(task, [row])[0], Prediction(id="a", text="a"))
    assert (score.correct, score.value) == (True, 0.0)


@pytest.mark.parametrize("seed", range(2))
def test_gsm8k(harness: Harness, seed: int) -> None:
    from lm_eval.api.instance import Instance

    rng, task = random.Random(seed), load_task("gsm8k")
    rows = native_rows.gsm8k_rows(ROWS, seed)
    read = examples(task, rows)
    replies = [Prediction(id=str(n), text=native_rows.gsm8k_reply(row, rng)) for n, row in enumerate(rows)]
    theirs = harness("gsm8k", rows)
    theirs._instances = [
        Instance("generate_until", doc, (theirs.doc_to_text(doc), {}), number, resps=[reply.text])
        for number, (doc, reply) in enumerate(zip(theirs.eval_docs, replies, strict=True))
    ]
    theirs.apply_filters()
    totals = {"strict": 0.0, "flexible": 0.0}
    for instance, example, reply in zip(theirs.instances, read, replies, strict=True):
        wanted = {
            name.split("-")[0]: theirs.process_results(instance.doc, [filtered])["exact_match"]
            for name, filtered in instance.filtered_resps.items()
        }
        score = task.score(example, reply)
        assert score.detail == wanted, reply
        assert (score.value, score.correct) == (wanted["strict"], bool(wanted["strict"]))
        totals = {name: totals[name] + wanted[name] for name in totals}
    assert 0.1 < totals["strict"] / ROWS < totals["flexible"] / ROWS < 0.9
    summary = task.summarize(read, replies)
    assert {name: summary[name] for name in totals} == {name: n / ROWS for name, n in totals.items()}


ROWS_OF = {"arc_challenge": native_rows.arc_rows, "hellaswag": native_rows.hellaswag_rows}


def logprobs(choices: list[str], rng: random.Random) -> list[float]:
    """Longer texts are less likely, and some are equally likely."""
    values = [-rng.uniform(0.5, 1.5) * len(choice) for choice in choices]
    return [values[0]] * len(values) if rng.random() < 0.1 else values


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", ROWS_OF)
def test_choices(harness: Harness, name: str, seed: int) -> None:
    rng = random.Random(seed)
    rows = ROWS_OF[name](ROWS, seed)
    plain, norm = load_task(f"{name}_loglikelihood"), load_task(f"{name}_loglikelihood_norm")
    theirs = harness(name, rows)
    read, docs = examples(plain, rows), list(theirs.eval_docs)
    assert read == examples(norm, rows)
    predictions = []
    differ = 0
    for example, doc in zip(read, docs, strict=True):
        rendered = plain.render(example)
        assert rendered == norm.render(example)
        assert rendered.prompt == theirs.doc_to_text(doc)
        assert rendered.choices is not None
        assert rendered.choices == theirs.doc_to_choice(doc)
        assert rendered.completion == rendered.choices[theirs.doc_to_target(doc)]
        choice_logprobs = logprobs(rendered.choices, rng)
        wanted = theirs.process_results(doc, [(logprob, False) for logprob in choice_logprobs])
        # trainer.predict chooses the student's prediction by the same numbers.
        chosen = choice_logprobs.index(max(choice_logprobs))
        prediction = Prediction(
            id=example.id, text=rendered.choices[chosen], choice=chosen, choice_logprobs=choice_logprobs
        )
        predictions.append(prediction)
        score = plain.score(example, prediction)
        assert score.detail == {"accuracy": wanted["acc"], "accuracy_norm": wanted["acc_norm"]}
        assert score.value == wanted["acc"]
        differ += wanted["acc"] != wanted["acc_norm"]
    assert differ > ROWS / 20
    summary = plain.summarize(read, predictions)
    assert (
        summary["accuracy"]
        == sum(plain.score(*pair).value for pair in zip(read, predictions, strict=True)) / ROWS
    )


@pytest.mark.student
@pytest.mark.parametrize("name", ROWS_OF)
def test_choices_of_a_student(harness: Harness, tiny_student: Path, tmp_path: Path, name: str) -> None:
    """From rows to scores: the harness runs the same student with its own code."""
    import torch
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    from trainer.artifacts import write_jsonl
    from trainer.predict import predict
    from trainer.progress import ProgressLog
    from trainer.specs import PredictFile, PredictSpec, StudentSpec

    rows = ROWS_OF[name](40)
    theirs = harness(name, rows)
    model = HFLM(str(tiny_student), device="cpu", dtype="float32", batch_size=8)
    docs = list(theirs.eval_docs)
    requests = [
        Instance("loglikelihood", doc, (theirs.doc_to_text(doc), f" {choice}"), place)
        for doc in docs
        for place, choice in enumerate(theirs.doc_to_choice(doc))
    ]
    answers = iter(model.loglikelihood(requests, disable_tqdm=True))
    results = [
        theirs.process_results(doc, [next(answers) for _ in theirs.doc_to_choice(doc)]) for doc in docs
    ]
    student = StudentSpec(model=str(tiny_student), template="plain", dtype="float32")
    for kind, metric in (("loglikelihood", "acc"), ("loglikelihood_norm", "acc_norm")):
        task = load_task(f"{name}_{kind}")
        read = examples(task, rows)
        write_jsonl(tmp_path / "rows.jsonl", read)
        file = PredictFile(name="rows", rows=tmp_path / "rows.jsonl", output=tmp_path / kind / "rows.jsonl")
        with torch.inference_mode():
            spec = PredictSpec(task=task.name, student=student, output=tmp_path / kind, predict=[file])
            predict(spec, ProgressLog(tmp_path / "progress.jsonl"))
        lines = file.output.read_text(encoding="utf-8").splitlines()
        scores = [
            task.score(example, Prediction(**json.loads(line)))
            for example, line in zip(read, lines, strict=True)
        ]
        assert [score.value for score in scores] == [result[metric] for result in results]
        assert 0 < sum(score.value for score in scores) < len(scores)


def test_banking77() -> None:
    from sklearn.metrics import accuracy_score, f1_score

    rng = random.Random(0)
    rows = native_rows.banking_rows(ROWS)
    read = examples(load_task("banking77"), rows)
    task = load_task("banking77", read)
    labels = sorted({row["label"] for row in rows})
    given = [rng.choice([row["label"], rng.choice(labels), "nonsense"]) for row in rows]
    texts = [rng.choice([label, label.upper(), f" {label}.\n", f'"{label}"']) for label in given]
    replies = [Prediction(id=example.id, text=text) for example, text in zip(read, texts, strict=True)]
    expected = [row["label"] for row in rows]
    right = [task.score(*pair).value for pair in zip(read, replies, strict=True)]
    assert right == [float(one == other) for one, other in zip(expected, given, strict=True)]
    assert sum(right) / ROWS == pytest.approx(accuracy_score(expected, given))
    macro = f1_score(expected, given, labels=labels, average="macro", zero_division=0)
    assert task.summarize(read, replies)["macro_f1"] == pytest.approx(macro)


def test_restaurant8k_slots() -> None:
    """Slot F1 is the F1 of the set of (message, slot, value)."""
    from sklearn.metrics import f1_score
    from sklearn.preprocessing import MultiLabelBinarizer

    rng, task = random.Random(0), load_task("restaurant8k_slots")
    read = examples(task, native_rows.restaurant_rows(ROWS))
    slots = ("time", "people", "date")
    given = []
    for example in read:
        slots_kept = {slot: value for slot, value in example.field("slots").items() if rng.random() < 0.8}
        given.append(slots_kept | ({rng.choice(slots): str(rng.randrange(9))} if rng.random() < 0.2 else {}))
    replies = [Prediction(id=e.id, text=json.dumps(fields)) for e, fields in zip(read, given, strict=True)]
    expected = [example.field("slots") for example in read]
    right = [task.score(*pair).correct for pair in zip(read, replies, strict=True)]
    assert right == [one == other for one, other in zip(expected, given, strict=True)]
    assert 0.2 < sum(right) / ROWS < 0.8

    def f1(kept: tuple[str, ...]) -> float:
        sets = [
            [[slot, value] for slot, value in fields.items() if slot in kept]
            for fields in (*expected, *given)
        ]
        named = [{f"{n % ROWS}/{slot}/{value}" for slot, value in pairs} for n, pairs in enumerate(sets)]
        table = MultiLabelBinarizer().fit_transform(named)
        return float(f1_score(table[:ROWS], table[ROWS:], average="micro"))

    summary = task.summarize(read, replies)
    assert summary["micro"]["f1"] == pytest.approx(f1(slots))
    assert {slot: rates["f1"] for slot, rates in summary["fields"].items()} == {
        slot: pytest.approx(f1((slot,))) for slot in sorted(slots)
    }
    assert summary["macro_f1"] == pytest.approx(sum(f1((slot,)) for slot in slots) / len(slots))
