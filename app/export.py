"""Exports the best student: an adapter or a whole model, checked on validation, with a model card."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.config.run_config import load_config
from app.engine.wiring import open_student
from app.errors import FolderError
from app.launchers.processes import python_module, start_child
from app.report.card import render_card
from graphs.errors import TrainerError
from graphs.ports import Student
from graphs.report import Report
from graphs.rounds import Round
from graphs.run_paths import RunPaths
from trainer.artifacts import publish_folder, read_json, read_jsonl, write_json, write_text
from trainer.specs import MergeSpec, PredictFile, PredictReport, PredictSpec, StudentSpec


@dataclass(frozen=True)
class BestStudent:
    """The student to export, and the run that has scored it."""

    paths: RunPaths
    report: Report
    spec: StudentSpec
    round_number: int
    task_folder: Path | None = None

    @property
    def artifact(self) -> Path:
        """The trained adapter or model."""
        return Round(self.paths, self.round_number).artifact()


async def export_run(root: Path, target: Path, *, merged: bool) -> str:
    """Write the best student to `target`, complete or not at all.

    The exported files answer the validation rows again, on this machine or where the settings say that students
    work. They must answer as the scored student did.

    Returns:
        One sentence that says what was compared.

    Raises:
        FolderError: the run has no judged student yet, or `target` is not empty.
        TrainerError: merging failed, or the answers differ.
        ClusterDown: the cluster that the settings name stayed away.
    """
    best = best_student(RunPaths(root))
    refuse_full(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as scratch:
        folder = Path(scratch) / "model"
        if merged:
            await merge(MergeSpec(student=best.spec, adapter=best.artifact, output=folder), Path(scratch))
        else:
            await asyncio.to_thread(shutil.copytree, best.artifact, folder)
        # an id and a folder of its own: a job of the run that is at work now must not take this one for its successor
        name = f"{best.report.run_id}-export-{uuid.uuid4().hex[:8]}"
        async with open_student(name, Path(scratch), lambda _: None, None, best.task_folder) as student:
            compared, same = await compare(best, folder, student, merged=merged)
        form: Literal["adapter", "merged", "full"] = "full" if best.spec.method == "full" else "adapter"
        card = render_card(
            best.report, export={"form": "merged" if merged else form, "compared": compared, "same": same}
        )
        write_text(folder / "README.md", card)
        publish_folder(folder, target)
    return f"{same} of {compared} validation answers of the export are those of the student that was scored."


def refuse_full(target: Path) -> None:
    """An export never replaces existing files."""
    if target.exists() and any(target.iterdir()):
        raise FolderError(f"{target}: the folder is not empty. Choose another with --output.")


def best_student(paths: RunPaths) -> BestStudent:
    """The best student of a run; raises FolderError before one was scored."""
    report = Report(**read_json(paths.report)) if paths.report.exists() else None
    if report is None or not report.best:
        raise FolderError(f"{paths.root}: no student has been scored yet; let `pada run` go on first.")
    config = load_config(paths.config)
    return BestStudent(paths, report, config.student, int(report.best["round"]), config.task_folder)


async def merge(spec: MergeSpec, scratch: Path) -> None:
    """Run `trainer.merge` in a process of its own."""
    write_json(scratch / "merge.json", spec)
    line = python_module("trainer.merge", str(scratch / "merge.json"))
    child = await start_child(line, stderr=asyncio.subprocess.PIPE)
    _, errors = await child.communicate()
    if child.returncode:
        lines = errors.decode(errors="replace").strip().splitlines() or [f"exit code {child.returncode}"]
        raise TrainerError(f"Merging failed: {lines[-1]}")


async def compare(best: BestStudent, folder: Path, student: Student, *, merged: bool) -> tuple[int, int]:
    """Number of validation rows compared, and of those with the same answer as the scored student's.

    Raises:
        TrainerError: more answers differ than `allowed_differences`.
    """
    output = folder.parent / "check" / "validation.jsonl"
    validation = best.paths.data("validation")
    spec = PredictSpec(
        task=best.report.task,
        student=best.spec.model_copy(update={"model": str(folder), "method": "full"} if merged else {}),
        train=[best.paths.data("train")],
        adapter=None if merged else folder,
        output=output.parent,
        predict=[PredictFile(name="validation", rows=validation, output=output)],
    )
    done = await student.predict(spec)
    scored = answers(best.paths.round(best.round_number).predictions("validation"))
    same = sum(scored[name] == text for name, text in answers(output).items())
    if len(scored) - same > allowed_differences(done, len(scored)):
        raise TrainerError(
            f"Not exported: {len(scored) - same} of {len(scored)} validation answers differ from the scored student's."
        )
    return len(scored), same


def answers(path: Path) -> dict[str, str]:
    """Row id -> answer."""
    return {row["id"]: row["text"] for row in read_jsonl(path)}


def allowed_differences(done: PredictReport, rows: int) -> int:
    """None on a CPU, where predictions are exact; elsewhere one row in fifty."""
    return 0 if done.device == "cpu" and done.dtype == "float32" else rows // 50
