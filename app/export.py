"""The best student as something to deploy: an adapter or a whole model, checked on validation, with a model card."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Literal

from app.config.run_config import load_config
from app.errors import FolderError
from app.launchers.local import LocalStudent
from app.launchers.processes import dying_with_me
from app.report.card import render_card
from graphs.errors import TrainerError
from graphs.report import Report
from graphs.run_paths import RunPaths
from trainer.artifacts import publish_folder, read_json, read_jsonl, write_json, write_text
from trainer.specs import MergeSpec, PredictFile, PredictSpec, StudentSpec


async def export_run(root: Path, target: Path, *, merged: bool) -> str:
    """Write the best student to `target`, complete or not at all.

    What is exported answers validation anew, and must answer as the student did that was scored.

    Returns:
        One sentence that says what was compared.

    Raises:
        FolderError: the run has no judged student yet, or `target` is not empty.
        TrainerError: merging failed, or the answers differ.
    """
    paths = RunPaths(root)
    report = best_report(paths)
    refuse_full(target)
    student, number = load_config(paths.config).student, int(report.best["round"])
    trained = Path(read_json(paths.round(number).student / "report.json")["artifact"])
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as scratch:
        folder = Path(scratch) / "model"
        if merged:
            await merge(MergeSpec(student=student, adapter=trained, output=folder), Path(scratch))
        else:
            await asyncio.to_thread(shutil.copytree, trained, folder)
        compared, same = await compare(paths, report, student, number, folder, merged=merged)
        form: Literal["adapter", "merged", "full"] = "full" if student.method == "full" else "adapter"
        card = render_card(
            report, export={"form": "merged" if merged else form, "compared": compared, "same": same}
        )
        write_text(folder / "README.md", card)
        publish_folder(folder, target)
    return f"{same} of {compared} validation answers of the export are those of the student that was scored."


def refuse_full(target: Path) -> None:
    """An export never replaces what is there."""
    if target.exists() and any(target.iterdir()):
        raise FolderError(f"{target}: the folder is not empty. Choose another with --output.")


def best_report(paths: RunPaths) -> Report:
    """The run's report, if it has a student to export."""
    report = Report(**read_json(paths.report)) if paths.report.exists() else None
    if report is None or not report.best:
        raise FolderError(f"{paths.root}: no student has been scored yet; let `pada run` go on first.")
    return report


async def merge(spec: MergeSpec, scratch: Path) -> None:
    """Run `trainer.merge` in a process of its own."""
    write_json(scratch / "merge.json", spec)
    command = (sys.executable, "-m", "trainer.merge", str(scratch / "merge.json"))
    child = await asyncio.create_subprocess_exec(
        *command, stderr=asyncio.subprocess.PIPE, preexec_fn=dying_with_me()
    )
    _, said = await child.communicate()
    if child.returncode:
        raise TrainerError(f"Merging failed: {said.decode(errors='replace').strip().splitlines()[-1]}")


async def compare(
    paths: RunPaths, report: Report, student: StudentSpec, number: int, folder: Path, *, merged: bool
) -> tuple[int, int]:
    """Validation rows compared, and those with the same answer as the scored student's.

    Raises:
        TrainerError: on a CPU, where predictions are exact, any answer differs; elsewhere more than one in fifty.
    """
    scratch = folder.parent / "check"
    output = scratch / "validation.jsonl"
    spec = PredictSpec(
        task=report.task,
        student=student.model_copy(update={"model": str(folder), "method": "full"} if merged else {}),
        train=[paths.data("train")],
        adapter=None if merged else folder,
        output=scratch,
        predict=[PredictFile(name="validation", rows=paths.data("validation"), output=output)],
    )
    done = await LocalStudent(lambda _: None).predict(spec)
    scored = {row["id"]: row["text"] for row in read_jsonl(paths.round(number).predictions("validation"))}
    answers = {row["id"]: row["text"] for row in read_jsonl(output)}
    same = sum(scored[name] == text for name, text in answers.items())
    allowed = 0 if done.device == "cpu" and done.dtype == "float32" else len(scored) // 50
    if len(scored) - same > allowed:
        raise TrainerError(
            f"Not exported: {len(scored) - same} of {len(scored)} validation answers differ from the scored student's."
        )
    return len(scored), same
