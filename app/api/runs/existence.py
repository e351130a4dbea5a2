"""Refuses configs that name what is not there. Their runs would be accepted, and fail minutes later."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.config.data import split_files
from app.config.hub import hub_of
from app.config.run_config import RunConfig
from app.config.task_fit import refuse_scoring_new_rows, refuse_unknown_labels
from app.errors import ConfigError
from app.launchers.devices import CPU, devices
from app.settings import Settings
from graphs.run_paths import RunPaths
from trainer.data_files import DataError
from trainer.presets import BUILTIN_EMBEDDERS, BUILTIN_STUDENTS, PRESETS, is_path
from trainer.tasks import Task, load_task
from trainer.weights import ModelError, find_model

HUB_NAME = re.compile(r"(?:[\w.-]{1,96}/)?[\w.-]{1,96}(?:@[\w./-]{1,200})?", re.ASCII)
"""`owner/name` or `owner/name@revision`, as the hub has them."""


def refuse_missing(config: RunConfig, settings: Settings, *, files: bool) -> None:
    """Refuse a task, student, embedder, file or engine that is not there.

    Args:
        files: also look for the files of the rows, which the config names.

    Raises:
        ConfigError: the key, and what there is.
    """
    task = _task_of(config)
    if not task.self_contained:
        with _at_config():
            refuse_scoring_new_rows(config)
    _refuse_student(config.student.model)
    _refuse_embedder(config.embedder)
    if files:
        _refuse_data(config, task)
    if settings.launcher == "local" and settings.max_running:
        _refuse_machine(config, task)


def refuse_labels(config: RunConfig) -> None:
    """Refuse descriptions of labels that no train row has. It reads the train rows, which takes time.

    Raises:
        ConfigError: the label, and those that there are.
    """
    if not config.label_descriptions or config.data.hub:
        return
    # what is wrong with the rows themselves is told by the run
    with suppress(DataError), _at_config():
        rows = load_task(config.task).load(config.data.file("train"))
        refuse_unknown_labels(config, load_task(config.task, rows))


@contextmanager
def _at_config() -> Iterator[None]:
    """Errors name the key as it stands in a request."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"config.{error}") from None


def _task_of(config: RunConfig) -> Task:
    try:
        return load_task(config.task)
    except DataError as error:
        raise ConfigError(f"config.task: {error}") from None


def _refuse_student(name: str) -> None:
    if is_path(name):
        try:
            find_model(name)
        except ModelError as error:
            raise ConfigError(f"config.student.model: {error}") from None
    elif name not in BUILTIN_STUDENTS and not HUB_NAME.fullmatch(name):
        raise ConfigError(
            f"config.student.model: {name[:200]!r} is no name on the hub (`owner/name`), no folder, and none of "
            f"{', '.join((*BUILTIN_STUDENTS, *PRESETS))}."
        )


def _refuse_embedder(name: str) -> None:
    if is_path(name):
        if not Path(name).expanduser().is_dir():
            raise ConfigError(f"config.embedder: there is no folder {name}.")
    elif name not in BUILTIN_EMBEDDERS and not HUB_NAME.fullmatch(name):
        raise ConfigError(
            f"config.embedder: {name[:200]!r} is no name on the hub (`owner/name`), no folder, and not "
            f"{', '.join(BUILTIN_EMBEDDERS)}."
        )


def _refuse_data(config: RunConfig, task: Task) -> None:
    data = config.data
    try:
        if data.hub:
            hub_of(task)
        else:
            for split, path in split_files(data, config.task, config.seed, RunPaths(Path())).items():
                if not path.is_file():
                    raise DataError(f"data.{split}: there is no file {path}.")
        if data.unlabeled and not data.unlabeled.is_file():
            raise DataError(f"data.unlabeled: there is no file {data.unlabeled}.")
    except DataError as error:
        raise ConfigError(f"config.{error}".replace("config.`data.hub`", "config.data.hub")) from None


def _refuse_machine(config: RunConfig, task: Task) -> None:
    """What this machine lacks, where this process works on runs. Other machines and a cluster are not known here."""
    if reason := task.unavailable_reason():
        raise ConfigError(f"config.task: {reason}")
    if config.data.hub and importlib.util.find_spec("datasets") is None:
        raise ConfigError(
            "config.data.hub: this service lacks the datasets library; upload a data set instead."
        )
    student = config.student
    if student.engine == "vllm" and student.vllm_url is None and importlib.util.find_spec("vllm") is None:
        raise ConfigError(
            "config.student.engine: vLLM is not installed here. Name a server that runs in `student.vllm_url`, or leave "
            "`engine` out."
        )
    if student.method == "qlora" and devices(os.environ) == [CPU]:
        raise ConfigError(
            "config.student.method: `qlora` needs a GPU, and this service has none. Use `lora`."
        )
