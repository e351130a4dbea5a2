"""MkDocs calls these while it builds the site: they fill generated pages, and add pages that live elsewhere."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from scripts.reference.commands import commands_page
from scripts.reference.config_keys import config_page
from scripts.reference.events import events_page
from scripts.reference.rest import rest_page

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {"results/benchmarks.md": "benchmarks/README.md", "contributing.md": "CONTRIBUTING.md"}
"""Page of the site -> file of the checkout that it shows."""
GENERATED: dict[str, Callable[[], str]] = {
    "<!-- generated: config -->": config_page,
    "<!-- generated: commands -->": commands_page,
    "<!-- generated: rest -->": rest_page,
    "<!-- generated: events -->": events_page,
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that live outside `docs/`."""
    for page, source in ELSEWHERE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        moved = relink(text, (ROOT / source).parent, ROOT / "docs" / Path(page).parent)
        files.append(File.generated(config, page, content=moved))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the generated text where a page has its marker."""
    for marker, generate in GENERATED.items():
        if marker in markdown:
            markdown = markdown.replace(marker, generate())
    return markdown


def relink(text: str, there: Path, here: Path) -> str:
    """Links to pages, counted from where the text is shown; a link to any other file is left as its words."""

    def moved(match: re.Match[str]) -> str:
        words, target, anchor = match.groups(default="")
        if "://" in target or not target:
            return match.group()
        path = (there / target).resolve()
        if not path.is_relative_to(ROOT / "docs"):
            return words
        return f"[{words}]({os.path.relpath(path, here)}{anchor})"

    return re.sub(r"\[([^\]]*)\]\(([^)#]*)(#[^)]*)?\)", moved, text)
