"""Every file of a run is in its folder, and no two share a name."""

from __future__ import annotations

import inspect
from pathlib import Path

from graphs.run_paths import RoundPaths, RunPaths


def named(paths: RunPaths | RoundPaths) -> dict[str, Path]:
    """Property -> its path."""
    properties = inspect.getmembers_static(type(paths), lambda member: isinstance(member, property))
    return {name: getattr(paths, name) for name, _ in properties}


def all_paths(run: RunPaths) -> list[Path]:
    """Every path of a run with two rounds."""
    paths = [*named(run).values(), *(run.data(split) for split in ("train", "validation", "test"))]
    for current in (run.round(0), run.round(1)):
        paths += named(current).values()
        paths += [
            path(split) for path in (current.predictions, current.scores) for split in ("train", "test")
        ]
    return paths


def test_every_path_is_inside_the_run(tmp_path: Path) -> None:
    root = tmp_path / "run"
    assert all(root in path.parents for path in all_paths(RunPaths(root)))
    assert all(root / "rounds" / "3" in path.parents for path in named(RunPaths(root).round(3)).values())


def test_no_two_files_share_a_path(tmp_path: Path) -> None:
    paths = all_paths(RunPaths(tmp_path))
    assert len(paths) == len(set(paths))


def test_paths_alone_make_no_folder(tmp_path: Path) -> None:
    all_paths(RunPaths(tmp_path / "run"))
    assert list(tmp_path.iterdir()) == []
