"""Refuses to work with another project's packages of the same names."""

from __future__ import annotations

import importlib.util
from pathlib import Path

NAMES = ("app", "graphs", "prompts", "trainer")
"""Packages of ours beside `pada`. The first of these names is a common one."""
HOME = Path(__file__).resolve().parents[1]


def refuse_namesakes() -> None:
    """Raises ImportError when Python would import one of these names from elsewhere, as from the current folder."""
    for name in NAMES:
        spec = importlib.util.find_spec(name)
        if spec and spec.origin and Path(spec.origin).resolve() != HOME / name / "__init__.py":
            raise ImportError(
                f"pada has a package `{name}`, and {spec.origin} comes before it on the Python path. Start Python in "
                f"another folder, or rename yours.",
                name="pada",
            )
