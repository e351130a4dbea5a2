"""What the terminal shows of a run, drawn anew from the run's folder by the code that shows it."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from app.cli.display import RunBar, live_bar
from app.engine.events import read_event
from app.report.summary import summary_lines
from graphs.report import Report
from graphs.run_paths import RunPaths
from trainer.artifacts import read_json, read_jsonl

COMMAND = "make demo"
FORMAT = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""Without the fonts that rich fetches from a content network: a reader's own monospaced font does."""


def draw(folder: Path) -> str:
    """The lines that remain on the terminal after the run, as SVG."""
    paths = RunPaths(folder)
    console = Console(
        record=True, width=112, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Text(f"$ {COMMAND}", style="bold"))
    shown = RunBar(live_bar(console))
    for line in read_jsonl(paths.events):
        shown.show(read_event(line))
    for sentence in summary_lines(Report(**read_json(paths.report))):
        console.print(Text(sentence))
    console.print(Text(f"Report: runs/{folder.name}/report.html"))
    return console.export_svg(title="pada", code_format=FORMAT)
