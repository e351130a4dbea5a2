"""A training run from its spec to its report, and what may go wrong on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.trainer.trainings import FAST, WriteSpec, losses, progress, run
from trainer import finetune as process
from trainer.finetune import main
from trainer.fitting import is_out_of_memory
from trainer.loss import Layout
from trainer.model import load_model
from trainer.specs import StudentSpec
from trainer.storage import EXIT_BLOCKED


def test_lora_learns_publishes_predicts_and_reports(
    write_spec: WriteSpec, colours: Path, tmp_path: Path
) -> None:
    files = [{"name": "train", "rows": str(colours), "output": str(tmp_path / "predictions.jsonl")}]
    path, output = write_spec(epochs=12, predict=files)
    found = run((path, output))
    assert found.steps == len(found.loss) == 48
    assert losses(found)[-1] < 0.8 * losses(found)[0]
    assert found.rows == 32
    # 12 epochs of 16 rows with 1 word and 16 with 2, each word one token here, and the end.
    tokens = [json.loads(line)["completion"].split() for line in colours.read_text().splitlines()]
    assert found.completion_tokens == 12 * sum(len(words) + 1 for words in tokens)
    assert sorted(p.name for p in output.iterdir()) == ["adapter", "progress.jsonl", "report.json"]
    ids = [json.loads(line)["id"] for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert ids == [json.loads(line)["id"] for line in colours.read_text().splitlines()]
    lines = progress(output)
    assert (lines[0]["stage"], lines[-1]["stage"]) == ("load", "done")
    steps = [line for line in lines if line["stage"] == "train"]
    assert [line["step"] for line in steps] == list(range(1, 49))
    wanted = {"loss", "learning_rate", "tokens_per_second", "memory_mb", "eta_seconds", "steps"}
    assert all(wanted <= line.keys() for line in steps)
    assert json.loads((output / "adapter" / "adapter_config.json").read_text())["r"] == 16


def test_finished_run_is_left_alone(write_spec: WriteSpec) -> None:
    path, output = write_spec(epochs=0.25)
    run((path, output))
    before = {p: p.stat().st_mtime_ns for p in output.rglob("*")}
    assert main([str(path)]) == 0
    assert {p: p.stat().st_mtime_ns for p in output.rglob("*")} == before


def test_accumulation_and_padding_change_nothing(write_spec: WriteSpec) -> None:
    whole = run(write_spec("whole"))
    parts = run(write_spec("parts", micro_batch_size=3))
    assert (whole.micro_batch_size, whole.accumulation) == (8, 1)
    assert (parts.micro_batch_size, parts.accumulation) == (3, 3)
    assert losses(parts) == pytest.approx(losses(whole), rel=1e-4)


def test_training_goes_on_from_an_adapter(write_spec: WriteSpec) -> None:
    first = run(write_spec("first", epochs=12))
    second = run(write_spec("second", adapter=first.artifact))
    assert losses(second)[0] < 0.8 * losses(first)[0]


def test_full_fine_tuning_leaves_a_model(write_spec: WriteSpec) -> None:
    found = run(write_spec(method="full", epochs=8, learning_rate=5e-3))
    assert found.artifact.name == "model"
    assert losses(found)[-1] < 0.5 * losses(found)[0]
    student = StudentSpec.model_validate(FAST | {"model": str(found.artifact), "method": "full"})
    trained = load_model(student, trainable=False)
    assert sum(parameter.numel() for parameter in trained.parameters()) == found.trainable_parameters
    again = run(write_spec("again", method="full", adapter=found.artifact, learning_rate=5e-3))
    assert losses(again)[0] < 0.5 * losses(found)[0]


def test_over_long_rows_are_reported(write_spec: WriteSpec, tmp_path: Path) -> None:
    long = {"id": "long", "prompt": "word " * 80, "completion": "red"}
    short = {"id": "short", "prompt": "word", "completion": "red"}
    data = tmp_path / "long.jsonl"
    data.write_text(f"{json.dumps(long)}\n{json.dumps(short)}\n")
    found = run(write_spec(train=data))
    assert found.over_long == ["long"]
    assert found.rows == 1
    (warning,) = found.warnings
    assert warning.startswith("1 of 2 training rows are left out")


def test_answers_longer_than_a_reply_are_told_before_training(write_spec: WriteSpec, tmp_path: Path) -> None:
    data = tmp_path / "long.jsonl"
    data.write_text(json.dumps({"id": "a", "prompt": "word", "completion": "red " * 9}) + "\n")
    written = write_spec(train=data)
    found = run(written)
    assert "student.max_new_tokens" in found.warnings[0]
    lines = [json.loads(line) for line in (written[1] / "progress.jsonl").read_text().splitlines()]
    stages = [line["stage"] for line in lines]
    assert stages.index("warning") < stages.index("train")
    assert [line["message"] for line in lines if line["stage"] == "warning"] == found.warnings


def test_only_over_long_rows(write_spec: WriteSpec, capsys: pytest.CaptureFixture[str]) -> None:
    path, output = write_spec(max_length=8)
    assert main([str(path)]) == 1
    assert "All 32 training rows are longer than student.max_length" in capsys.readouterr().err
    assert not (output / "report.json").exists()


def test_divergence_names_the_step(
    write_spec: WriteSpec, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # a spec takes no such rate, and a smaller one takes long to overflow
    monkeypatch.setattr("trainer.training.learning_rate", lambda *_: 1e38)
    path, output = write_spec(warmup_ratio=0.0)
    assert main([str(path)]) == 1
    message = capsys.readouterr().err
    assert "nan at step 2" in message
    assert "student.learning_rate" in message
    assert message.count("\n") == 1
    last = progress(output)[-1]
    assert last["stage"] == "error"
    assert "step 2" in last["message"]
    assert not (output / "report.json").exists()


def out_of_memory_above(monkeypatch: pytest.MonkeyPatch, limit: int, step: int = 2) -> None:
    """From the given step on, more than `limit` rows at once raise what the allocator raises."""
    real = Layout.loss
    seen = []

    def loss(self: Layout, model: Any, rows: Any) -> Tensor:
        seen.append(len(rows))
        if len(rows) > limit and len(seen) >= step:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return real(self, model, rows)

    monkeypatch.setattr(Layout, "loss", loss)


def test_out_of_memory_halves_the_micro_batch(write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    calm = run(write_spec("calm"))
    out_of_memory_above(monkeypatch, limit=2)
    found = run(write_spec("tight"))
    assert (found.micro_batch_size, found.accumulation) == (2, 4)
    assert len(found.out_of_memory) == 2
    assert "Step 2" in found.out_of_memory[0]
    assert "8 rows at once; went on with 4" in found.out_of_memory[0]
    assert losses(found) == pytest.approx(losses(calm), rel=1e-4)


def test_out_of_memory_three_times_is_the_end(
    write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out_of_memory_above(monkeypatch, limit=0)
    path, _ = write_spec()
    assert main([str(path)]) == 1
    assert "Out of memory at step 2 with 1 rows at once, after 3 halvings" in capsys.readouterr().err


def test_the_allocators_words_are_known() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("shapes cannot be multiplied"))


def test_missing_processes_are_refused(write_spec: WriteSpec, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = write_spec(num_processes=2)
    assert main([str(path)]) == 1
    message = capsys.readouterr().err
    assert "asks for 2 training processes on this host, and 1 run" in message
    assert "accelerate launch" in message


def test_qlora_without_gpu(write_spec: WriteSpec, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(write_spec(method="qlora")[0])]) == 1
    assert "QLoRA needs a CUDA GPU" in capsys.readouterr().err


def test_checkpoint_of_other_rows_is_refused(
    write_spec: WriteSpec, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device", "predictions.jsonl")

    path, output = write_spec()
    with monkeypatch.context() as patch:
        patch.setattr(process, "_predict", full)
        assert main([str(path)]) == EXIT_BLOCKED
    assert "No space left on device" in capsys.readouterr().err
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"id": "x", "prompt": "word", "completion": "red"}) + "\n")
    assert main([str(write_spec(train=other)[0])]) == 1
    assert "belongs to another spec or other rows" in capsys.readouterr().err
    # The same spec goes on: nothing is trained twice.
    found = run(write_spec())
    assert found.resumed_from == [found.steps]
    assert not (output / "checkpoints").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"task": "exact_match"}', "student"),
        ('{"task": "exact_match", "student": {}, "train": [], "output": "o", "nonsense": 1}', "nonsense"),
        ("not json", "JSON"),
    ],
)
def test_bad_spec_names_the_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    path = tmp_path / "spec.json"
    path.write_text(text)
    assert main([str(path)]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.student
def test_the_embedded_student_learns(write_spec: WriteSpec) -> None:
    found = run(
        write_spec(
            model="builtin:smollm2-135m",
            template="chat",
            epochs=1.5,
            learning_rate=1e-3,
            dtype="auto",
            batch_size=4,
        )
    )
    assert found.trainable_parameters == 4_884_480
    curve = losses(found)
    assert sum(curve[-3:]) < 0.5 * sum(curve[:3])
