"""The notebook: what is in the repository was executed, and it can be executed again."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "python.ipynb"


ABSOLUTE = re.compile(r"(?<![\w.<])/[\w.-]+/[\w.-]*")
ADDRESS = re.compile(r"https?://\S+")


def code_cells(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in document["cells"] if cell["cell_type"] == "code"]


def text_of(document: dict[str, Any]) -> str:
    """All outputs as text."""
    return json.dumps([cell["outputs"] for cell in code_cells(document)])


def test_it_was_executed_in_order_and_shows_a_run() -> None:
    document = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    counts = [cell["execution_count"] for cell in code_cells(document)]
    assert counts == list(range(1, len(counts) + 1))
    outputs = text_of(document)
    assert "finished" in outputs
    assert "95 % interval" in outputs
    assert '"error"' not in outputs
    paths = ABSOLUTE.findall(ADDRESS.sub("", outputs.replace("\\n", "\n")))
    assert paths == [], "no path of the machine that it was made on"


@pytest.mark.slow
@pytest.mark.student
def test_it_can_be_executed(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    root = str(NOTEBOOK.parents[1])
    client = nbclient.NotebookClient(notebook, timeout=3600, resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=os.environ | {"PYTHONPATH": root})
    assert (tmp_path / "runs" / "notebook" / "report.html").exists()
    assert "95 % interval" in text_of(json.loads(nbformat.writes(notebook)))
