"""One service under load: start, memory, 200 runs posted at once, 500 readers of events, and polls at the same time.

    python benchmarks/load.py                                  on SQLite, into benchmarks/results/load.json
    scripts/postgres .venv/bin/python benchmarks/load.py       on SQLite, then on PostgreSQL

The service is `pada serve` with keys on and no executor, so nothing is trained. The clients (`load_clients.py`) run in
their own processes. Polls come at a fixed rate: first to the idle service, then with all streams open, then while events
are written to the runs that the streams follow. The CPU seconds of the service and of each client show who used the
cores.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.loop_student import make_data
from benchmarks.machine import free_port, machine
from trainer.artifacts import write_json

HERE = Path(__file__).parent
PADA = str(Path(sys.executable).with_name("pada"))
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """How much is asked of the service; each is an option."""

    starts: int = 5
    waiting: int = 50
    """Waiting runs when memory is read."""
    runs: int = 200
    """Runs posted at once."""
    pages: int = 50
    """Reads of the page with the list of runs."""
    readers: int = 500
    """Streams."""
    followed: int = 20
    """Runs that the streams follow and a worker writes to."""
    polls_a_second: int = 100
    seconds: int = 20
    """Duration of the polls under each load."""


class Service:
    """`pada serve` in a folder, with a key.

    Args:
        database: a PostgreSQL URL; empty is SQLite in the folder.
    """

    def __init__(self, folder: Path, database: str):
        self.port = free_port()
        self.database = database or f"sqlite:///{folder / 'home' / 'pada.sqlite'}"
        self.environment = os.environ | {
            "PADA_HOME": str(folder / "home"),
            "PADA_DATABASE_URL": self.database,
            "PADA_PORT": str(self.port),
            "PADA_AUTH": "on",
            "PADA_MAX_RUNNING": "0",
            "PADA_REQUESTS_PER_MINUTE": "1000000",
            "PADA_ALLOWED_PATHS": json.dumps([str(folder / "data")]),
        }
        make_data(folder / "data", 8)
        make_key = [PADA, "keys", "create", "--name", "load"]
        self.key = subprocess.check_output(
            make_key, env=self.environment, text=True, stderr=subprocess.DEVNULL
        ).strip()
        self.body = {
            "task": "classification",
            "data": {"folder": str(folder / "data")},
            "loop": {"method": "vanilla"},
        }

    def start(self) -> float:
        """Start it; returns the seconds until `/readyz` succeeds."""
        began = time.perf_counter()
        self.process = subprocess.Popen([PADA, "serve"], env=self.environment, stderr=subprocess.DEVNULL)
        while not self._ready():
            assert self.process.poll() is None, "the service has ended"
            time.sleep(0.01)
        return round(time.perf_counter() - began, 2)

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self) -> float:
        """Stop it; returns the seconds from SIGTERM to its end."""
        began = time.perf_counter()
        self.process.terminate()
        assert self.process.wait() == 0
        return round(time.perf_counter() - began, 2)

    def megabytes(self) -> int:
        """Resident memory in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
        return round(int(line.split()[1]) / 1024)

    def cpu_seconds(self) -> float:
        """Processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def begin(self, part: str, **spec: Any) -> subprocess.Popen[str]:
        """Start a client in its own process."""
        client = {"url": f"http://127.0.0.1:{self.port}", "key": self.key, **spec}
        command = [sys.executable, str(HERE / "load_clients.py"), part, json.dumps(client)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def run_client(self, part: str, **spec: Any) -> dict[str, Any]:
        """Run a client to its end; returns its result, and the processor time of the service meanwhile."""
        before = self.cpu_seconds()
        seen = result(self.begin(part, **spec))
        return seen | {"service_cpu_seconds": round(self.cpu_seconds() - before, 2)}


def result(child: subprocess.Popen[str]) -> dict[str, Any]:
    """The last line that a client prints."""
    output, _ = child.communicate()
    assert child.returncode == 0
    seen: dict[str, Any] = json.loads(output.splitlines()[-1])
    return seen


def start_and_wait(folder: Path, database: str, size: Load) -> dict[str, Any]:
    """Start times, and memory without work and with waiting runs."""
    service = Service(folder, database)
    seconds, idle, stops = [], 0, []
    for _ in range(size.starts):
        seconds.append(service.start())
        idle = service.megabytes()
        stops.append(service.stop())
    service.start()
    service.run_client("posts", body=service.body, count=size.waiting)
    waiting = service.megabytes()
    service.stop()
    return {
        "ready_seconds": seconds,
        "ready_seconds_median": statistics.median(seconds),
        "stop_seconds_median": statistics.median(stops),
        "idle_mb": idle,
        f"mb_with_{size.waiting}_runs_waiting": waiting,
    }


def load(folder: Path, database: str, size: Load) -> dict[str, Any]:
    """Posts, the first page, then polls under three loads."""
    service = Service(folder, database)
    service.start()
    posted = service.run_client("posts", body=service.body, count=size.runs)
    runs = posted.pop("runs")
    figures: dict[str, Any] = {"posts": posted, "mb_after_posts": service.megabytes()}
    figures["first_page"] = service.run_client("pages", count=size.pages)
    poll = {"runs": runs, "rate": size.polls_a_second, "seconds": size.seconds}
    figures["polls_alone"] = service.run_client("polls", **poll)

    followed, before = runs[: size.followed], service.cpu_seconds()
    streams = service.begin("readers", runs=followed, count=size.readers)
    assert streams.stdout
    assert streams.stdout.readline() == "open\n"
    figures["open_service_cpu_seconds"] = round(service.cpu_seconds() - before, 2)
    figures["mb_with_streams"] = service.megabytes()
    figures["polls_with_streams"] = service.run_client("polls", **poll)

    writing = service.begin(
        "worker", database=with_driver(service.database), runs=followed, seconds=size.seconds
    )
    figures["polls_with_events"] = service.run_client("polls", **poll)
    figures["worker"] = result(writing)
    time.sleep(2)  # the last events are still being delivered
    figures["mb_with_events"] = service.megabytes()
    streams.terminate()
    figures["streams"] = result(streams)
    assert figures["streams"]["delivered"] == figures["worker"]["events"] * size.readers / size.followed
    assert figures["streams"]["gaps"] == 0
    time.sleep(2)
    figures["mb_after_streams"] = service.megabytes()
    service.stop()
    return figures


def with_driver(url: str) -> str:
    """The URL with the driver that the service uses."""
    from app.settings import Settings

    return Settings(database_url=url).database


@contextmanager
def database(server: str) -> Iterator[str]:
    """An empty PostgreSQL database; yields an empty URL if there is no server."""
    if not server:
        yield ""
        return
    import psycopg

    name = f"load_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    yield f"{server.rpartition('/')[0]}/{name}"


def measure(server: str, size: Load) -> dict[str, Any]:
    """All measurements on one kind of database."""
    figures: dict[str, Any] = {}
    for part in (start_and_wait, load):
        with tempfile.TemporaryDirectory() as folder, database(server) as url:
            figures[part.__name__] = part(Path(folder), url, size)
        print(json.dumps(figures[part.__name__], indent=2), flush=True)
    return figures


def main() -> None:
    """Measure, show, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "load.json")
    for field in fields(Load):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=int, default=field.default)
    options = parser.parse_args()
    size = Load(**{field.name: getattr(options, field.name) for field in fields(Load)})
    server = os.environ.get("PADA_TEST_POSTGRES", "")
    results = {
        "machine": machine()
        | {
            "uvloop": find_spec("uvloop") is not None,
            "httptools": find_spec("httptools") is not None,
        },
        "load": asdict(size),
        "sqlite": measure("", size),
    }
    if server:
        results["postgresql"] = measure(server, size)
    write_json(options.output, results)


if __name__ == "__main__":
    main()
