"""A Ray cluster of two nodes on this machine, in a process of its own: `python -m tests.ray_cluster PORT`.

Trainers run on the second node: the head has no CPUs to give. A line on standard input replaces the second node by another one; its
end ends the cluster.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.service import free_port

STORE_BYTES = 80 << 20


@dataclass
class RayCluster:
    """A cluster that was started, and may not be up yet."""

    mode: str = "token"
    """`RAY_AUTH_MODE`."""
    token: str = field(default_factory=lambda: secrets.token_hex(32))
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> dict[str, str]:
        """What pada is told to use it."""
        return {
            "PADA_LAUNCHER": "ray",
            "PADA_RAY_ADDRESS": self.url,
            "PADA_RAY_GPUS": "0",
            "RAY_AUTH_TOKEN": self.token,
        }

    def start(self) -> None:
        told = {"RAY_AUTH_MODE": self.mode, "RAY_AUTH_TOKEN": self.token, "RAY_USAGE_STATS_ENABLED": "0"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.ray_cluster", str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | told,
        )

    def wait(self) -> None:
        """Until it has said that it is up, or has another node."""
        assert self.process
        assert self.process.stdout
        assert self.process.stdout.readline() == "ready\n"

    def lose_node(self) -> None:
        """Kill the node on which trainers run; there is another one afterwards."""
        assert self.process
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.wait()

    def stop(self) -> None:
        assert self.process
        self.process.communicate(timeout=60)

    def jobs(self, run: str) -> dict[str, dict[str, Any]]:
        """What Ray has on a run's jobs: name without `pada-RUN-` -> details, in the order of their start."""
        answer = httpx.get(f"{self.url}/api/jobs/", headers={"Authorization": f"Bearer {self.token}"})
        assert answer.status_code == 200, answer.text
        ours = [job for job in answer.json() if (job["submission_id"] or "").startswith(f"pada-{run}-")]
        ours.sort(key=lambda job: int(job["start_time"]))
        return {job["submission_id"].removeprefix(f"pada-{run}-"): job for job in ours}

    def wait_for(self, run: str, name: str, status: str, seconds: float = 120) -> dict[str, Any]:
        """Poll until a job of a run has a status."""
        deadline = time.monotonic() + seconds
        while True:
            job = self.jobs(run).get(name)
            if job and job["status"] == status:
                return job
            assert time.monotonic() < deadline, job
            time.sleep(0.3)


@contextmanager
def ray_cluster(mode: str = "token") -> Iterator[RayCluster]:
    """A cluster that is gone afterwards."""
    cluster = RayCluster(mode)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()


def main(port: int) -> None:
    from ray.cluster_utils import Cluster

    head = {
        "num_cpus": 0,
        "object_store_memory": STORE_BYTES,
        "include_dashboard": True,
        "dashboard_port": port,
    }
    worker = {"num_cpus": 1, "object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    node = cluster.add_node(**worker)
    say_ready()
    for _ in sys.stdin:
        cluster.remove_node(node, allow_graceful=False)
        node = cluster.add_node(**worker)
        say_ready()
    cluster.shutdown()


def say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
