"""What an export compares, and when it is refused; `tests/app/cli/test_export.py` exports a real student."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.errors import FolderError, PadaError
from app.export import run
from app.export.options import ExportOptions, Kind
from app.export.run import (
    BestStudent,
    allowed_differences,
    compare,
    export_run,
    refuse_full,
    refuse_unfit,
    sample,
)
from graphs.errors import TrainerError
from graphs.run_paths import RunPaths
from tests.app.report.report_example import example
from trainer.artifacts import read_jsonl, write_json, write_jsonl
from trainer.specs import PredictReport, PredictSpec, StudentSpec


class Echo:
    """Answers every row with the same text, and keeps its work orders."""

    def __init__(self, text: str, device: str = "cpu"):
        self._text, self._device = text, device
        self.specs: list[PredictSpec] = []

    async def fine_tune(self, _: Any) -> Any:
        raise AssertionError("an export trains nothing")

    async def predict(self, spec: PredictSpec) -> PredictReport:
        """See `graphs.ports.Student`."""
        self.specs.append(spec)
        for file in spec.predict:
            write_jsonl(file.output, [{"id": f"v{n}", "text": self._text} for n in range(4)])
        return PredictReport(device=self._device)


def best(root: Path) -> BestStudent:
    """The example's best student: round 2 has answered four validation rows."""
    paths, report = RunPaths(root), example()
    round_number = int(report.best["round"])
    texts = ["refund", "refund", "refund", "exchange"]
    scored = [{"id": f"v{n}", "text": text} for n, text in enumerate(texts)]
    write_jsonl(paths.round(round_number).predictions("validation"), scored)
    return BestStudent(paths, report, StudentSpec(model="a/hub-name"), round_number)


async def test_an_export_that_answers_otherwise_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match="1 of 4 validation answers differ"):
        await compare(
            best(tmp_path / "run"), tmp_path / "model", Echo("refund"), merged=False, rows=tmp_path / "rows"
        )


async def test_a_gpu_may_round_one_answer_in_fifty(tmp_path: Path) -> None:
    assert allowed_differences(PredictReport(device="cpu", dtype="float32"), 500) == 0
    assert allowed_differences(PredictReport(device="cpu", dtype="bfloat16"), 500) == 10
    assert allowed_differences(PredictReport(device="cuda", dtype="float32"), 49) == 0


@pytest.mark.parametrize("merged", [False, True])
async def test_what_is_exported_is_what_answers(tmp_path: Path, merged: bool) -> None:
    student, chosen = Echo("refund"), best(tmp_path / "run")
    write_jsonl(
        chosen.paths.round(chosen.round_number).predictions("validation"),
        [{"id": f"v{n}", "text": "refund"} for n in range(4)],
    )
    assert await compare(chosen, tmp_path / "model", student, merged=merged, rows=tmp_path / "rows") == (4, 4)
    (spec,) = student.specs
    assert spec.adapter == (None if merged else tmp_path / "model")
    assert spec.student.model == (str(tmp_path / "model") if merged else "a/hub-name")
    assert spec.output.parent == tmp_path, "next to the model, in the folder that is removed afterwards"


async def test_the_student_answers_where_the_settings_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export of a run on a cluster is checked on the cluster, under a name that no job of the run has."""
    root, student, opened = tmp_path / "run", Echo("refund"), []
    chosen = best(root)
    write_json(chosen.paths.report, chosen.report)
    chosen.paths.config.write_text("task: classification\ndata: data\nloop: {method: vanilla}\n")
    adapter = chosen.paths.round(chosen.round_number).student / "adapter"
    adapter.mkdir(parents=True)
    (adapter / "weights").write_text("trained")
    write_json(adapter.parent / "report.json", {"artifact": str(adapter)})
    write_jsonl(
        chosen.paths.round(chosen.round_number).predictions("validation"),
        [{"id": f"v{n}", "text": "refund"} for n in range(4)],
    )

    write_jsonl(chosen.paths.data("validation"), [{"id": f"v{n}"} for n in range(4)])

    @asynccontextmanager
    async def open_student(run_id: str, folder: Path, *_: Any) -> AsyncIterator[Echo]:
        opened.append((run_id, folder))
        yield student

    monkeypatch.setattr(run, "open_student", open_student)
    target = tmp_path / "out" / "export"
    heard: list[str] = []
    said = await export_run(root, target, ExportOptions(check=4), heard.append)
    assert ["student" in heard[0], "4 validation rows" in heard[1]] == [True, True]
    assert said.startswith("4 of 4")
    assert (target / "weights").read_text() == "trained"
    ((run_id, folder),) = opened
    assert run_id.startswith(f"{chosen.report.run_id}-export-")
    assert folder.parent == target.parent
    assert not folder.exists()
    with pytest.raises(FolderError, match="not empty"):
        refuse_full(target)
    refuse_full(target, force=True)
    (target / "export.json").unlink()
    with pytest.raises(FolderError, match="only a folder that an export wrote"):
        refuse_full(target, force=True)


def test_so_many_rows_are_compared(tmp_path: Path) -> None:
    chosen = best(tmp_path / "run")
    write_jsonl(chosen.paths.data("validation"), [{"id": f"v{n}"} for n in range(4)])
    assert [row["id"] for row in read_jsonl(sample(chosen, tmp_path, 2))] == ["v0", "v1"]
    assert list(read_jsonl(sample(chosen, tmp_path, 0))) == []


@pytest.mark.parametrize(
    ("to", "model", "merged", "refused"),
    [
        ("vllm", "builtin:smollm2-135m", False, True),
        ("vllm", "builtin:smollm2-135m", True, False),
        ("vllm", "a/hub-name", False, False),
        ("hub", "builtin:smollm2-135m", False, True),
        ("hub", "./some/folder", False, True),
        ("hub", "a/hub-name", False, False),
        ("gguf", "builtin:smollm2-135m", False, False),
        ("peft", "builtin:smollm2-135m", False, False),
    ],
)
def test_an_adapter_whose_base_nobody_can_load_is_refused(
    tmp_path: Path, to: Kind, model: str, merged: bool, refused: bool
) -> None:
    chosen = replace(best(tmp_path / "run"), spec=StudentSpec(model=model))
    with pytest.raises(PadaError, match="--merged") if refused else nullcontext():
        refuse_unfit(chosen, ExportOptions(to=to, merged=merged))
