"""pada from Python.

    import pada

    run = pada.run("tickets/config.yaml")
    run.report.test.difference
    run.rounds[1].patterns

Runs are those of the command line: folders, on which a process of its own works. `docs/guides/python.md` has more.
"""

from pada.namesakes import refuse_namesakes

refuse_namesakes()  # before anything is imported from one of them

from app.engine.run_status import RunStatus  # noqa: E402
from app.errors import PadaError  # noqa: E402
from pada.client import Client, RemoteRun  # noqa: E402
from pada.runs import Config, Round, Run, check, load, run  # noqa: E402

__all__ = [
    "Client",
    "Config",
    "PadaError",
    "RemoteRun",
    "Round",
    "Run",
    "RunStatus",
    "check",
    "load",
    "run",
]
