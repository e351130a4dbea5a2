"""The configs that the tools of `pada mcp` accept: what a service accepts from strangers, with files of the allowed folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from app.api.runs.validation import local_files, restrict
from app.cli.mcp.folders import Folders
from app.config.run_config import RunConfig, parse_config, parse_text, read_text, with_description
from app.errors import Forbidden
from app.settings import Settings


def read_allowed(given: str, folders: Folders, settings: Settings, max_usd: float | None) -> RunConfig:
    """The config in a file.

    Args:
        max_usd: the largest budget that it may have; None for any, and none.

    Raises:
        PadaError: the file or something that it names is outside of the folders, or the config cannot be used.
    """
    path = folders.place(given)
    document = parse_text(read_text(path), given)
    described = document.get("task_description")
    if isinstance(described, dict) and isinstance(described.get("file"), str):
        folders.require(path.parent / described["file"], f"{given}: task_description.file")
    config = parse_config(with_description(document, path), given, path.parent, repeat=False)
    for key, place in places(config):
        folders.require(place, f"{given}: {key}")
    refuse_budget(config, given, max_usd)
    return restrict(config, settings)


def places(config: RunConfig) -> Iterator[tuple[str, Path]]:
    """Everything on this machine that a run of the config would read or write, by key."""
    yield from local_files(config).items()
    for key, name in (("student.model", config.student.model), ("embedder", config.embedder)):
        if Path(name).exists():  # a folder in the current one, where it could be a name on the hub
            yield key, Path(name)
    if config.output:
        yield "output", config.output
    if config.teacher and config.teacher.ledger:
        yield "teacher.ledger", config.teacher.ledger
    if config.teacher and config.teacher.price_file:
        yield "teacher.price_file", config.teacher.price_file


def refuse_budget(config: RunConfig, given: str, max_usd: float | None) -> None:
    """Refuse a run that could cost more than the user of the agent allows."""
    if max_usd is None or config.teacher is None or not config.loop.last_round:
        return
    if config.budget.max_usd is None or config.budget.max_usd > max_usd:
        raise Forbidden(
            f"{given}: budget.max_usd: set it to {max_usd:g} or less; `pada mcp --max-usd` allows no more."
        )
