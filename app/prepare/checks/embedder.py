"""What can be known of the embedder without its weights."""

from __future__ import annotations

from pathlib import Path

from app.config.run_config import RunConfig
from app.prepare.checks.findings import Finding, finding
from app.prepare.checks.rows import Rows, every
from trainer.hub_models import HubError, fetch
from trainer.presets import BUILTIN_EMBEDDERS
from trainer.text import is_latin

FOREIGN = 0.1
"""Share of rows in other scripts from which it is worth another embedder."""


def check_embedder(config: RunConfig, rows: Rows) -> list[Finding]:
    """An embedder that is not there, and one that does not know the script of the rows. Plain fine-tuning needs none."""
    if config.loop.method == "vanilla":
        return []
    name = config.embedder
    if fault := _missing(name):
        return [Finding(level="fault", code="embedder", message=f"embedder: {fault}", count=1)]
    known = list(every(rows))
    foreign = [row for row in known if not is_latin(row.example.prompt)]
    if name not in BUILTIN_EMBEDDERS or len(foreign) < FOREIGN * len(known):
        return []
    return finding(
        "warning",
        "blind_embedder",
        f"The embedder {name} knows English, and these prompts are in other scripts. New rows that mean what a validation or "
        "test row means are not found, and the examples that the writer sees are not the nearest. Name a multilingual one "
        "(`embedder`), such as intfloat/multilingual-e5-small: docs/guides/embedder.md.",
        [row.place() for row in foreign],
    )


def _missing(name: str) -> str | None:
    """Why there is no such embedder; its config is fetched from the hub, if it is there."""
    if name in BUILTIN_EMBEDDERS or Path(name).expanduser().is_dir():
        return None
    if name.startswith(("/", "./", "../", "~")):
        return f"there is no folder {name}."
    try:
        fetch(name, weights=False)
    except HubError as error:
        return str(error)
    return None
