"""Writes the folder of `pada init`: whole, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from app.config.data import DataSpec, prepare_data
from app.config.run_config import load_config
from app.config.splits import SPLITS, UNLABELED
from app.prepare.config_text import config_text
from app.prepare.drafts import Draft
from app.prepare.plan import Plan
from app.prepare.tables import InputError
from graphs.run_paths import RunPaths
from trainer.artifacts import write_jsonl, write_text
from trainer.data_files import DataError

CONFIG = "config.yaml"
DATA = "data"
POOL = f"{UNLABELED}.jsonl"
OURS = {*(f"{split}.jsonl" for split in SPLITS), "skipped.jsonl", POOL}
"""Files of `data/`."""


def refuse_existing(folder: Path, *, force: bool) -> None:
    """Refuse to overwrite anything that the user did not ask to overwrite.

    Raises:
        InputError: the folder is there without `force`, or holds data files that init did not write.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise InputError(f"{folder}: this is not a folder. Name another with --output.")
    if not folder.exists():
        return
    if not force and any(folder.iterdir()):
        raise InputError(
            f"{folder}: the folder is there already. Name another with --output, or pass --force to replace it."
        )
    data = folder / DATA
    foreign = sorted(path.name for path in data.iterdir() if path.name not in OURS) if data.is_dir() else []
    if foreign or data.is_file():
        raise InputError(
            f"{data}: it holds other files, such as {(foreign or [DATA])[0]}. Name another folder with --output."
        )


def write_plan(plan: Plan, folder: Path, seed: int, *, force: bool = False) -> None:
    """Write `data/` and `config.yaml`, after `pada run`'s own checks of them.

    Raises:
        InputError: the folder is there already, or the rows do not pass the checks of `pada run`.
        OSError: the folder cannot be written; nothing is left behind.
    """
    refuse_existing(folder, force=force)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        _write(plan, temporary, seed)
        _check(plan, temporary, seed)
        temporary.chmod(0o755)
        if folder.exists():
            _replace(temporary, folder)
        else:
            os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(plan: Plan, folder: Path, seed: int) -> None:
    names = _identifiers(plan)
    for split in SPLITS:
        rows = (_row(draft, names[id(draft)]) for draft in plan.rows[split])
        write_jsonl(folder / DATA / f"{split}.jsonl", rows)
    write_jsonl(folder / DATA / "skipped.jsonl", [item.row() for item in plan.skipped])
    if plan.unlabeled:
        write_jsonl(folder / DATA / POOL, plan.unlabeled)
    write_text(folder / CONFIG, config_text(plan, seed))


def _identifiers(plan: Plan) -> dict[int, str]:
    """An id for each row: its own where all are different, else the file's and the number in it."""
    drafts = [draft for split in SPLITS for draft in plan.rows[split]]
    own = Counter(draft.identifier for draft in drafts)
    if all(draft.identifier for draft in drafts) and len(own) == len(drafts):
        return {id(draft): draft.identifier for draft in drafts}
    several = len({draft.place[:2] for draft in drafts}) > 1
    return {
        id(draft): f"{draft.place.file}:{draft.place.unit} {draft.place.number}"
        if several
        else f"row-{draft.place.number}"
        for draft in drafts
    }


def _row(draft: Draft, identifier: str) -> dict[str, Any]:
    asked: dict[str, Any] = (
        {"messages": draft.messages}
        if draft.messages
        else {"prompt": draft.prompt, "completion": draft.answer}
    )
    group = {"group": draft.group} if draft.group else {}
    return {"id": identifier, **asked, **draft.extra, **group, "place": str(draft.place)}


def _check(plan: Plan, folder: Path, seed: int) -> None:
    """What `pada run` does first, so that what is written runs."""
    load_config(folder / CONFIG)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            pool = folder / DATA / POOL if plan.unlabeled else None
            data = DataSpec(folder=folder / DATA, unlabeled=pool)
            prepare_data(data, plan.task.name, seed, RunPaths(Path(scratch)))
    except DataError as error:
        raise InputError(f"Nothing was written, because `pada run` would refuse the rows: {error}") from None


def _replace(temporary: Path, folder: Path) -> None:
    """Put the new `data/` and `config.yaml` in the place of the old, and put the old back where that fails."""
    kept = Path(tempfile.mkdtemp(dir=folder, prefix=".before."))
    try:
        for name in (DATA, CONFIG):
            if (folder / name).exists():
                os.replace(folder / name, kept / name)
        for name in (DATA, CONFIG):
            os.replace(temporary / name, folder / name)
    except OSError:
        for name in (DATA, CONFIG):
            if (kept / name).exists():
                _remove(folder / name)
                os.replace(kept / name, folder / name)
        raise
    finally:
        shutil.rmtree(kept, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def default_folder(given: list[str]) -> Path:
    """The folder named after the first file, in the current folder."""
    name = (
        given[0].split(":")[1].rsplit("/", 1)[-1]
        if given[0].startswith("hub:")
        else Path(given[0]).resolve().name
    )
    stem = name.split(".", 1)[0] or "prepared"
    # a folder of that name may be the input itself
    taken = {Path(item).resolve() for item in given if not item.startswith("hub:")}
    found = Path(stem).resolve()
    return Path(f"{stem}-pada").resolve() if found in taken or found.is_file() else found
