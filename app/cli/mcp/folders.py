"""The folders that the tools of `pada mcp` may read and write in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.errors import ConfigError, Forbidden


class Folders:
    """Folders, and everything in them.

    Args:
        roots: relative paths count from the first.

    Raises:
        ConfigError: one is no folder.
    """

    def __init__(self, roots: Sequence[Path]):
        for root in roots:
            if not root.expanduser().is_dir():
                raise ConfigError(f"--folder: {root} is no folder.")
        self.roots = [root.expanduser().resolve() for root in roots]

    def place(self, given: str) -> Path:
        """The path that a tool was given, absolute.

        Raises:
            Forbidden: it leads out of the folders, or over a symbolic link or `..`.
        """
        path = self.roots[0] / given
        if ".." in path.parts or "\0" in given:
            raise Forbidden(f"{given}: a path may not contain `..`.")
        root = next((root for root in self.roots if path.is_relative_to(root)), None)
        if root is None:
            raise Forbidden(f"{given}: {self._outside}")
        inside = path.relative_to(root)
        for part in (inside, *inside.parents):
            if (root / part).is_symlink():
                raise Forbidden(f"{given}: {part} is a symbolic link, which is not followed.")
        return path

    def require(self, path: Path, key: str) -> None:
        """Refuse a path that a config names, if it leads out of the folders.

        Raises:
            Forbidden: it does, or a link in that folder does.
        """
        for each in (path.expanduser(), *links_in(path.expanduser())):
            if not any(each.resolve().is_relative_to(root) for root in self.roots):
                raise Forbidden(f"{key}: {each}: {self._outside}")

    @property
    def _outside(self) -> str:
        roots = ", ".join(map(str, self.roots))
        return (
            f"it is in none of the folders that `pada mcp` may use ({roots}). Add its folder with --folder."
        )

    def run_folder(self, given: str) -> Path:
        """The folder of a run, or for one.

        Raises:
            Forbidden: it is outside, or there is a symbolic link in it.
        """
        root = self.place(given)
        for link in links_in(root):
            inside = link.relative_to(root)
            raise Forbidden(f"{given}: {inside} in it is a symbolic link, which is not followed.")
        return root


def links_in(root: Path) -> Iterator[Path]:
    """The symbolic links in a folder, at any depth; none where it is no folder."""
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(folder, name)
            if path.is_symlink():
                yield path
