"""Exports the best student in the form that is asked for, checked on validation, with a model card."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from pydantic import BaseModel

from app.config.run_config import load_config
from app.engine.wiring import open_student
from app.errors import FolderError, PadaError
from app.export.hub import check_upload, upload
from app.export.options import ExportOptions
from app.export.scratch import scratch_in
from app.export.vllm import refuse_without_base, serve_command
from app.launchers.processes import python_module, start_child
from app.report.card import Export, Form, base_model, render_card
from app.report.wording import percent
from graphs.errors import TrainerError
from graphs.ports import Student
from graphs.report import Report
from graphs.rounds import Round
from graphs.run_paths import RunPaths
from trainer.artifacts import publish_folder, read_jsonl, read_model, write_json, write_jsonl, write_text
from trainer.gguf_spec import GgufReport, GgufSpec
from trainer.specs import MergeSpec, PredictFile, PredictReport, PredictSpec, StudentSpec

RECORD = "export.json"
"""What was exported and compared. A folder with it may be replaced."""
SERVE = "serve.sh"
MODEL_NAME = "my-student"


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


async def export_run(
    root: Path, target: Path, options: ExportOptions, say: Callable[[str], None] = lambda _: None
) -> str:
    """Write the best student to `target`, complete or not at all.

    The exported files answer validation rows again: on this machine or where the settings say that students work, and
    a `.gguf` file by llama.cpp on this machine.

    Args:
        say: is told what begins, because the answers take minutes.

    Returns:
        What was compared, and what to do with the files.

    Raises:
        FolderError: the run has no judged student yet, or `target` is there and is not to be replaced.
        PadaError: the options do not fit the student.
        TrainerError: merging or converting failed, or the answers differ.
        ClusterDown: the cluster that the settings name stayed away.
    """
    repo = check_upload(options.repo, push=options.push) if options.to == "hub" else ""
    best = best_student(RunPaths(root))
    refuse_unfit(best, options)
    refuse_full(target, force=options.force)
    target.parent.mkdir(parents=True, exist_ok=True)
    with scratch_in(target.parent) as scratch:
        folder = scratch / "model"
        say("Merging the student ..." if options.whole else "Copying the student ...")
        if options.whole:
            await work(
                "trainer.merge",
                MergeSpec(student=best.spec, adapter=best.artifact, output=folder),
                scratch,
            )
        else:
            await asyncio.to_thread(shutil.copytree, best.artifact, folder)
        rows = sample(best, scratch, options.check)
        say(work_left(options))
        if options.gguf:
            folder, outcome = await to_gguf(best, folder, rows, options)
        elif options.check:
            outcome = await check_here(best, folder, rows, options)
        else:
            outcome = Outcome(not_compared="no rows were asked for")
        describe(best, folder, target, options, outcome)
        publish_folder(folder, target)
    said = [outcome.sentence()]
    if options.to == "ollama":
        said.append(f"Next: cd {shlex.quote(str(target))} && ollama create {MODEL_NAME} -f Modelfile")
    if options.to == "vllm":
        said.append(f"Next: {(target / SERVE).read_text(encoding='utf-8').splitlines()[-1]}")
    if options.to == "hub":
        said.append(await asyncio.to_thread(upload, target, repo, push=options.push))
    return "\n".join(said)


def work_left(options: ExportOptions) -> str:
    """What is done with the files of the student."""
    rows = f"answering at most {options.check:,} validation rows" if options.check else "answering no rows"
    return f"{'Writing the .gguf file' if options.gguf else 'Completing the folder'}, {rows} ..."


@dataclass(frozen=True)
class Outcome:
    """How the export's answers compare with those of the run."""

    compared: int = 0
    same: int = 0
    not_compared: str | None = None
    """Why nothing was compared."""

    def sentence(self) -> str:
        """For the person who exports."""
        if self.not_compared:
            return f"Answers were not compared: {self.not_compared}."
        share = f" ({percent(self.same / self.compared)})" if self.compared else ""
        return f"{self.same} of {self.compared} validation answers{share} of the export are those of the student that was scored."


def refuse_unfit(best: BestStudent, options: ExportOptions) -> None:
    """Refuse an adapter where nobody could load its base; raises PadaError."""
    if options.whole or best.spec.method == "full":
        return
    if options.to == "vllm":
        refuse_without_base(best.spec)
    if options.to == "hub" and (
        best.spec.model.startswith("builtin:") or base_model(best.spec.model)[0] is None
    ):
        raise PadaError(
            f"The base {best.spec.model!r} is not on the hub, so nobody could load the adapter. Add --merged for the whole model."
        )


def refuse_full(target: Path, *, force: bool = False) -> None:
    """An existing folder is replaced only on request, and only if an export wrote it."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not force:
        raise FolderError(f"{target}: the folder is not empty. Choose another with --output, or add --force.")
    if not (target / RECORD).is_file():
        raise FolderError(
            f"{target}: --force replaces only a folder that an export wrote (with {RECORD}). Choose another."
        )


def sample(best: BestStudent, scratch: Path, count: int) -> Path:
    """The first validation rows, as a file."""
    rows = scratch / "validation.jsonl"
    write_jsonl(rows, islice(read_jsonl(best.paths.data("validation")), count))
    return rows


async def to_gguf(
    best: BestStudent, merged: Path, rows: Path, options: ExportOptions
) -> tuple[Path, Outcome]:
    """A folder with the `.gguf` file, and Ollama's Modelfile; the file's answers are counted."""
    scratch = merged.parent
    folder = scratch / "gguf"
    folder.mkdir()
    spec = GgufSpec(
        task=best.report.task,
        task_folder=best.task_folder,
        student=best.spec.model_copy(update={"model": str(merged), "method": "full"}),
        train=[best.paths.data("train")],
        rows=rows if options.check else None,
        predictions=scratch / "gguf.jsonl",
        name=best.report.run_id,
        quantization=options.quantization,
        output=folder / f"model-{options.quantization}.gguf",
        modelfile=folder / "Modelfile" if options.to == "ollama" else None,
        report=scratch / "gguf-report.json",
    )
    await work("trainer.to_gguf", spec, scratch)
    report = read_model(GgufReport, spec.report)
    if report.not_compared:
        return folder, Outcome(not_compared=report.not_compared)
    return folder, Outcome(*count_same(best, spec.predictions))


async def check_here(best: BestStudent, folder: Path, rows: Path, options: ExportOptions) -> Outcome:
    """Have the exported files answer the rows, as students of runs do."""
    # an id and a folder of its own: a job of the run that is at work now must not take this one for its successor
    name = f"{best.report.run_id}-export-{uuid.uuid4().hex[:8]}"
    async with open_student(name, folder.parent, lambda _: None, None, best.task_folder) as student:
        return Outcome(*await compare(best, folder, student, merged=options.whole, rows=rows))


def describe(best: BestStudent, folder: Path, target: Path, options: ExportOptions, outcome: Outcome) -> None:
    """Write the model card, the record, and for vLLM the command."""
    form: Form = "full" if best.spec.method == "full" else "merged" if options.whole else "adapter"
    card = render_card(best.report, export=Export(form, outcome.compared, outcome.same))
    write_text(folder / "README.md", card)
    record = asdict(outcome) | {"run": best.report.run_id, "round": best.round_number, "to": options.to}
    write_json(folder / RECORD, record)
    if options.to == "vllm":
        command = serve_command(target, best.spec, whole=form != "adapter")
        write_text(folder / SERVE, f"#!/bin/sh\n{command}\n")


def best_student(paths: RunPaths) -> BestStudent:
    """The best student of a run; raises FolderError before one was scored."""
    report = read_model(Report, paths.report) if paths.report.exists() else None
    if report is None or not report.best:
        raise FolderError(f"{paths.root}: no student has been scored yet; let `pada run` go on first.")
    config = load_config(paths.config)
    return BestStudent(paths, report, config.student, int(report.best["round"]), config.task_folder)


async def work(module: str, spec: BaseModel, scratch: Path) -> None:
    """Run a program of the trainer on a spec, in a process of its own."""
    file = scratch / f"{module}.json"
    write_json(file, spec)
    child = await start_child(python_module(module, str(file)), stderr=asyncio.subprocess.PIPE)
    _, errors = await child.communicate()
    if child.returncode:
        lines = errors.decode(errors="replace").strip().splitlines() or [f"exit code {child.returncode}"]
        raise TrainerError(f"Not exported: {lines[-1]}")


async def compare(
    best: BestStudent, folder: Path, student: Student, *, merged: bool, rows: Path
) -> tuple[int, int]:
    """Number of validation rows compared, and of those with the same answer as the scored student's.

    Raises:
        TrainerError: more answers differ than `allowed_differences`.
    """
    output = folder.parent / "check" / "validation.jsonl"
    spec = PredictSpec(
        task=best.report.task,
        student=best.spec.model_copy(update={"model": str(folder), "method": "full"} if merged else {}),
        train=[best.paths.data("train")],
        adapter=None if merged else folder,
        output=output.parent,
        predict=[PredictFile(name="validation", rows=rows, output=output)],
    )
    done = await student.predict(spec)
    compared, same = count_same(best, output)
    if compared - same > allowed_differences(done, compared):
        raise TrainerError(
            f"Not exported: {compared - same} of {compared} validation answers differ from the scored student's."
        )
    return compared, same


def count_same(best: BestStudent, predictions: Path) -> tuple[int, int]:
    """Number of new answers, and of those that the scored student gave too."""
    scored = answers(best.paths.round(best.round_number).predictions("validation"))
    new = answers(predictions)
    return len(new), sum(scored[name] == text for name, text in new.items())


def answers(path: Path) -> dict[str, str]:
    """Row id -> answer."""
    return {row["id"]: row["text"] for row in read_jsonl(path)}


def allowed_differences(done: PredictReport, rows: int) -> int:
    """None on a CPU, where predictions are exact; elsewhere one row in fifty."""
    return 0 if done.device == "cpu" and done.dtype == "float32" else rows // 50
