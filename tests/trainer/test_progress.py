"""`progress.jsonl` as an observer reads it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from trainer.progress import ProgressLog, peak_memory_mb, read_progress


def test_lines_are_appended_with_the_time_and_without_what_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "out" / "progress.jsonl"
    before = time.time()
    ProgressLog(path).write(stage="load")
    # a resumed run goes on in the same file
    ProgressLog(path).write(stage="train", step=3, steps=9, loss=0.5)
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert before <= first.pop("time") <= second.pop("time") <= time.time()
    assert first == {"stage": "load", "step": 0, "steps": 0}
    assert second == {"stage": "train", "step": 3, "steps": 9, "loss": 0.5}


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    assert list(read_progress(path)) == []
    log = ProgressLog(path)
    log.write(stage="train", step=1, steps=9, loss=0.5)
    with path.open("a") as file:
        file.write('{"time": 1, "stage": "tra\n')
    log.write(stage="error", message="Out of memory.")
    assert [(line.stage, line.step, line.message) for line in read_progress(path)] == [
        ("train", 1, None),
        ("error", 0, "Out of memory."),
    ]


def test_only_the_main_process_writes(tmp_path: Path) -> None:
    ProgressLog(tmp_path / "progress.jsonl", enabled=False).write(stage="load")
    assert list(tmp_path.iterdir()) == []


def test_peak_memory_is_in_megabytes() -> None:
    status = Path("/proc/self/status").read_text()
    [kilobytes] = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
    assert 0.9 * kilobytes / 1024 <= peak_memory_mb() <= machine
