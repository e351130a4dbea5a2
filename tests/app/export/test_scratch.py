"""What a killed export leaves, and that a working one is left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from app.export.scratch import scratch_in

WORK = """
import sys, time
from pathlib import Path
from app.export.scratch import scratch_in
with scratch_in(Path(sys.argv[1])) as folder:
    (folder / "model").mkdir()
    (folder / "model" / "weights").write_text("half")
    print(folder, flush=True)
    time.sleep(600)
"""


def work_in(parent: Path) -> tuple[subprocess.Popen[str], Path]:
    """An export in a process of its own, at work."""
    child = subprocess.Popen([sys.executable, "-c", WORK, str(parent)], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    with child.stdout as said:
        return child, Path(said.readline().strip())


def test_the_next_export_removes_what_a_killed_one_left_and_nothing_else(tmp_path: Path) -> None:
    killed, left = work_in(tmp_path)
    killed.kill()
    killed.wait()
    assert (left / "model" / "weights").is_file()
    at_work, used = work_in(tmp_path)
    try:
        assert not left.exists()
        mine = tmp_path / ".export-notes"
        mine.mkdir()
        (mine / "list").write_text("of a person, or of a moment ago")
        old = tmp_path / ".export-old"
        old.mkdir()
        os.utime(old, (0, 0))
        (tmp_path / ".export-link").symlink_to(old)
        with scratch_in(tmp_path) as folder:
            assert {path.name for path in tmp_path.iterdir()} == {
                used.name,
                folder.name,
                mine.name,
                ".export-link",
            }
        assert (used / "model" / "weights").is_file()
    finally:
        at_work.kill()
        at_work.wait()
