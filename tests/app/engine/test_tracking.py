"""A run that is killed and goes on, as its experiment trackers have it: each is read back by its own reader."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.config.tracker_packages import missing_trackers
from app.engine.events import TrainerProgress, read_event
from tests.app.engine.tracked_run import BODY_KEY, LOGIN, STEPS, tracked_config
from trainer.artifacts import read_json, read_jsonl

KEY = "canary-key-0123456789"
ROUNDS = [0, 1, 2]
ALL_STEPS = list(range(1, STEPS * len(ROUNDS) + 1))

Series = dict[str, list[tuple[int, float]]]
"""Metric -> steps and values, in the order in which they were logged."""


@dataclass
class Tracked:
    """A run that was killed in round 1, went on to its end, and was started once more."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "first"

    @property
    def report(self) -> dict[str, Any]:
        document: dict[str, Any] = read_json(self.folder / "report.json")
        return document

    def warnings(self) -> list[str]:
        events = map(read_event, read_jsonl(self.folder / "events.jsonl"))
        return [
            event.message or ""
            for event in events
            if isinstance(event, TrainerProgress) and event.stage == "warning"
        ]


def start(root: Path, trackers: str, *kill: str, **variables: str) -> int:
    """Start the run in a process of its own; its exit code."""
    environ = (
        os.environ | {"WANDB_API_KEY": KEY, "MLFLOW_TRACKING_URI": f"sqlite:///{root}/mlflow.db"} | variables
    )
    line = [sys.executable, "-m", "tests.app.engine.tracked_run", str(root), trackers, *kill]
    # MLflow's artifacts go to the current folder
    environ["PYTHONPATH"] = str(Path(__file__).parents[3])
    done = subprocess.run(line, env=environ, cwd=root, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def killed_and_ended(root: Path, trackers: str, **variables: str) -> Tracked:
    assert start(root, trackers, "1", **variables) == -signal.SIGKILL
    assert start(root, trackers, **variables) == 0
    assert start(root, trackers, **variables) == 0
    return Tracked(root)


def reader(folder: Path) -> Any:
    """TensorBoard's own."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read: Any = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    return read.Reload()


def scalars(folder: Path) -> Series:
    """The scalars of TensorBoard's files."""
    read = reader(folder)
    return {tag: [(event.step, event.value) for event in read.Scalars(tag)] for tag in read.Tags()["scalars"]}


def check_metrics(series: Series, report: dict[str, Any]) -> None:
    """Every point of the run once, with the values of its report."""
    losses = [point["loss"] for item in report["rounds"] for point in item["trainer"]["loss"]]
    of_steps = [number for number in ROUNDS for _ in range(STEPS)]
    best, test = report["best"]["round"], report["test"]
    expected: dict[str, list[tuple[int, float]]] = {
        "train/loss": list(zip(ALL_STEPS, losses, strict=True)),
        "train/round": list(zip(ALL_STEPS, of_steps, strict=True)),
        "validation/accuracy": [(item["round"], item["validation"]) for item in report["rounds"]],
        "validation/ci95_low": [(item["round"], item["ci95"][0]) for item in report["rounds"]],
        "validation/ci95_high": [(item["round"], item["ci95"][1]) for item in report["rounds"]],
        "validation/promoted": [(item["round"], float(item["promoted"])) for item in report["rounds"]],
        "rows/accepted": [(item["round"], item["accepted"]) for item in report["rounds"]],
        "rows/train": [(item["round"], item["train_rows"]) for item in report["rounds"]],
        "test/best": [(best, test["best"])],
        "test/ci95_low": [(best, test["ci95"][0])],
    }
    for name, points in expected.items():
        assert [step for step, _ in series[name]] == [step for step, _ in points], name
        assert [value for _, value in series[name]] == pytest.approx([value for _, value in points]), name
    assert [value for _, value in series["train/learning_rate"][:2]] == pytest.approx([0.1, 0.05])


def check_secrets(root: Path) -> None:
    """Nothing that was tracked has a key, a login, or what a server wants besides."""
    for path in root.rglob("*"):
        if path.is_file() and path.name != "config.yaml":
            content = path.read_bytes()
            for secret in (KEY, LOGIN, BODY_KEY):
                assert secret.encode() not in content, path


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Tracked:
    return killed_and_ended(tmp_path_factory.mktemp("tracked"), "tensorboard,mlflow")


@pytest.mark.student
def test_tensorboard_has_every_point_once(tracked: Tracked) -> None:
    folder = tracked.folder / "tensorboard"
    check_metrics(scalars(folder), tracked.report)
    read = reader(folder)
    shown = [event.tensor_proto.string_val[0].decode() for event in read.Tensors("report/text_summary")]
    # the killed start has none
    assert len(shown) == 2
    assert "Baseline: validation" in shown[-1]
    (settings,) = folder.glob("*/hparams.yml")
    assert "student.learning_rate: 0.003" in settings.read_text()


@pytest.mark.student
def test_mlflow_has_one_run_with_every_point_once_and_the_report(tracked: Tracked) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tracked.root}/mlflow.db")
    experiment = client.get_experiment_by_name("pada")
    assert experiment
    (run,) = client.search_runs([experiment.experiment_id])
    series = {
        name: [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }
    check_metrics(series, tracked.report)
    assert (run.info.run_name, run.info.status) == ("first", "FINISHED")
    assert run.data.params["student.learning_rate"] == "0.003"
    assert run.data.params["teacher.base_url"] == "http://127.0.0.1:9/v1"
    assert run.data.params["teacher.extra_body.reasoning_effort"] == "low"
    assert {run.data.tags[f"pada.{name}"] for name in ("method", "run_id", "status")} == {
        "pada",
        tracked.report["run_id"],
        "finished",
    }
    kept = {item.path: item for item in client.list_artifacts(run.info.run_id)}
    assert set(kept) == {"report.html", "report.json"}
    assert kept["report.json"].file_size == (tracked.folder / "report.json").stat().st_size


@pytest.mark.student
def test_no_tracker_warned_and_no_secret_was_tracked(tracked: Tracked) -> None:
    assert tracked.warnings() == []
    check_secrets(tracked.root)


@pytest.mark.student
def test_a_tracker_that_fails_costs_one_warning_and_a_later_start_logs_everything(tmp_path: Path) -> None:
    assert start(tmp_path, "mlflow", MLFLOW_TRACKING_URI=f"nowhere://{LOGIN}@host/{KEY}") == 0
    tracked = Tracked(tmp_path)
    (warning,) = tracked.warnings()
    assert warning.startswith("The run is no longer logged to mlflow: ")
    assert "nowhere://host/***" in warning
    assert tracked.report["status"] == "finished"
    assert start(tmp_path, "tensorboard") == 0
    check_metrics(scalars(tracked.folder / "tensorboard"), tracked.report)


def test_a_tracker_that_is_not_installed_is_an_error_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "app.config.tracker_packages.find_spec", lambda name: None if name == "trackio" else name
    )
    config = tracked_config(tmp_path, ["tensorboard", "trackio"])
    assert missing_trackers(config) == (
        "track: trackio is not installed. Install the extra: `pip install 'pada[trackio]'`; or leave it out of `track`."
    )
    assert missing_trackers(config.model_copy(update={"track": ["tensorboard"]})) == ""


def wandb_records(content: bytes) -> Iterator[bytes]:
    """The records of a file that W&B syncs later: a header, and the log format of LevelDB."""
    block, head, place, record = 32768, 7, 7, b""
    assert content[:4] == b":W&B"
    while place + head <= len(content):
        length, kind = struct.unpack("<HB", content[place + 4 : place + head])
        if kind == 0 or block - place % block < head:
            place += block - place % block
            continue
        record += content[place + head : place + head + length]
        place += head + length
        if kind in (1, 4):
            yield record
            record = b""


@pytest.mark.slow
@pytest.mark.student
def test_wandb_offline_has_every_point_once(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2

    tracked = killed_and_ended(tmp_path, "wandb", WANDB_MODE="offline")
    assert tracked.warnings() == []
    series: Series = defaultdict(list)
    names, artifacts, settings = set(), [], set()
    for file in sorted(tracked.folder.glob("tracking/wandb/offline-run-*/*.wandb"), key=os.path.getmtime):
        for data in wandb_records(file.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            names |= {record.run.run_id} - {""}
            artifacts += [record.artifact.name] * bool(record.artifact.name)
            settings |= {item.key for item in record.config.update}
            row = {
                ".".join(item.nested_key) or item.key: json.loads(item.value_json)
                for item in record.history.item
            }
            axis = int(row.get("train/global_step") or row.get("round") or 0)
            for name in set(row) - {"train/global_step", "round"}:
                if not name.startswith("_"):
                    series[name].append((axis, row[name]))
    check_metrics(series, tracked.report)
    assert names == {tracked.report["run_id"]}
    assert "student.learning_rate" in settings
    assert set(artifacts) == {f"report-{tracked.report['run_id']}"}
    check_secrets(tmp_path)


@pytest.mark.slow
@pytest.mark.student
def test_trackio_has_every_point_once(tmp_path: Path) -> None:
    pytest.importorskip("trackio")
    tracked = killed_and_ended(tmp_path, "trackio", TRACKIO_DIR=str(tmp_path / "trackio"))
    assert tracked.warnings() == []
    code = """if True:
        import json, trackio
        run, = trackio.Api().runs("pada")
        rows = trackio.SQLiteStorage.get_logs("pada", run.name)
        kept = trackio.SQLiteStorage.get_artifacts("pada")
        print(json.dumps([run.name, run.config, rows, [str(each) for each in kept]]))
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"TRACKIO_DIR": str(tmp_path / "trackio")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    name, settings, rows, kept = json.loads(done.stdout.splitlines()[-1])
    assert settings["student.learning_rate"] == 0.003
    assert f"report-{tracked.report['run_id']}" in kept[0]
    assert name == f"first {tracked.report['run_id'][:8]}"
    series: Series = defaultdict(list)
    for row in rows:
        axis = int(row.get("train/global_step") or row.get("round") or 0)
        for metric, value in row.items():
            if "/" in metric and metric != "train/global_step":
                series[metric].append((axis, value))
    check_metrics(series, tracked.report)
    check_secrets(tmp_path)
