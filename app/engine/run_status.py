"""The statuses of a run."""

from __future__ import annotations

from typing import Literal, get_args

RunStatus = Literal["queued", "running", "paused", "cancelled", "finished", "failed"]
STATUSES: tuple[RunStatus, ...] = get_args(RunStatus)
UNFINISHED: tuple[RunStatus, ...] = ("queued", "running", "paused")
"""Runs that may still do something."""
ENDED: tuple[RunStatus, ...] = ("finished", "failed", "cancelled")
"""No more events come, unless a user resumes a failed run."""
AT_WORK: tuple[RunStatus, ...] = ("queued", "running")
"""Runs that go on without a user."""
