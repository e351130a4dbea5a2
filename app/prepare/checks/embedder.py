"""What can be known of the embedder without its weights."""

from __future__ import annotations

from app.config.named_models import missing_embedder
from app.config.run_config import RunConfig
from app.prepare.checks.findings import Finding, finding
from app.prepare.checks.rows import Rows, every
from trainer.presets import BUILTIN_EMBEDDERS
from trainer.text import is_latin

FOREIGN = 0.1
"""Share of rows in other scripts from which it is worth another embedder."""


def check_embedder(config: RunConfig, rows: Rows) -> list[Finding]:
    """An embedder that is not there, and one that does not know the script of the rows. Plain fine-tuning needs none."""
    if config.loop.method == "vanilla":
        return []
    name = config.embedder
    if fault := missing_embedder(config):
        return [Finding(level="fault", code="embedder", message=fault, count=1)]
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
