"""From what a client asks of a job to the config of a run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import yaml

from app.api.datasets.preparation import Preparation
from app.api.fine_tuning.schemas import Hyperparameters, JobRequest
from app.api.openai_errors import ParameterError
from app.api.runs.validation import admit
from app.config.run_config import parse_text
from app.config.teacher_network import refuse_addresses
from app.config.yaml_document import load_yaml
from app.errors import ConfigError
from app.settings import Settings
from graphs.methods import Method
from trainer.specs import StudentSpec
from trainer.tasks import known_tasks

METHODS: tuple[Method, ...] = get_args(Method)
KEY = "pada."
"""Begins the metadata that are keys of a config."""
TEACHER = "default"
LENGTHS = ("max_length", "max_new_tokens")
OF_OPENAI = re.compile(r"(ft:)?(gpt-\d|babbage|davinci|o\d)")
PARAMETERS = {
    "student.model": "model",
    "student.epochs": "method.supervised.hyperparameters.n_epochs",
    "student.batch_size": "method.supervised.hyperparameters.batch_size",
    "student.learning_rate": "method.supervised.hyperparameters.learning_rate_multiplier",
}
"""Key of a config -> the parameter that it comes from, where it is not the metadata."""


def asked_config(request: JobRequest, settings: Settings) -> dict[str, Any]:
    """What the client says of the run's config, and no more.

    Raises:
        ParameterError: the model, the method, the teacher or a key of the metadata cannot be used.
    """
    student = settings.students.get(request.model, request.model)
    if OF_OPENAI.match(student):
        raise ParameterError(
            f"The weights of {request.model} are OpenAI's. Give a student that can be trained here, such as "
            "`builtin:smollm2-135m` or a name of the Hugging Face hub. Whoever runs the service can also choose one for "
            "this name (PADA_STUDENTS).",
            "model",
            "model_not_found",
        )
    metadata = request.metadata or {}
    method = metadata.get("method", "vanilla")
    if method not in METHODS:
        raise ParameterError(f"metadata: `method` must be one of {', '.join(METHODS)}.", "metadata")
    config: dict[str, Any] = {
        "seed": request.seed or 0,
        "student": {"model": student, **_trained(request.trained_with)},
        "loop": {"method": method},
    }
    if method != "vanilla":
        config["teacher"] = _teacher(metadata, settings)
    for key, text in metadata.items():
        if key.startswith(KEY):
            _set(config, key, text)
    return config


async def check(config: dict[str, Any], folder: Path, settings: Settings) -> None:
    """Refuse what the service does not take, before any rows are read.

    Args:
        folder: of the rows.

    Raises:
        ParameterError: a key of the config is unknown or cannot be used.
    """
    try:
        admitted = admit(config, folder, settings)
        await refuse_addresses(admitted, settings)
    except ConfigError as error:
        found = re.match(r"config\.([\w.]+):", str(error))
        raise ParameterError(str(error), PARAMETERS.get(found[1] if found else "", "metadata")) from None
    if admitted.task not in known_tasks():
        tasks = ", ".join(sorted(known_tasks()))
        raise ParameterError(f"metadata: `{KEY}task` must be one of {tasks}.", "metadata")


def whole_config(asked: dict[str, Any], made: Preparation) -> dict[str, Any]:
    """The run's config: what the client does not say is as `pada init` writes it for these rows."""
    drafted = parse_text(made.config, "config")
    lengths = {key: drafted["student"][key] for key in LENGTHS if key in drafted["student"]}
    rounds = {} if "teacher" not in asked else {"synthetic_per_round": drafted["loop"]["synthetic_per_round"]}
    sections = {"student": lengths | asked["student"], "loop": rounds | asked["loop"]}
    return {"task": drafted["task"]} | asked | sections


def _trained(given: Hyperparameters) -> dict[str, Any]:
    """The student's keys; `auto` leaves one out."""
    factor = given.learning_rate_multiplier
    rate = StudentSpec.model_fields["learning_rate"].default
    keys = {
        "epochs": given.n_epochs,
        "batch_size": given.batch_size,
        "learning_rate": factor if factor == "auto" else factor * rate,
    }
    return {key: value for key, value in keys.items() if value != "auto"}


def _teacher(metadata: dict[str, str], settings: Settings) -> dict[str, Any]:
    """The teacher that the metadata name, else the default one; `{}` where the keys of the metadata describe one."""
    described = any(key.startswith(f"{KEY}teacher.") for key in metadata)
    name = metadata.get("teacher", TEACHER)
    if name in settings.teachers:
        return settings.teachers[name].model_dump(mode="json", exclude_unset=True)
    if described and "teacher" not in metadata:
        return {}
    known = ", ".join(settings.teachers) or "none"
    raise ParameterError(
        f"metadata: `teacher` {name[:60]!r} is not set up in this service (PADA_TEACHERS has {known}). Name another, "
        "or leave `method` out.",
        "metadata",
    )


def _set(config: dict[str, Any], name: str, text: str) -> None:
    *sections, last = name.removeprefix(KEY).split(".")
    place: Any = config
    for section in sections:
        place = place.setdefault(section, {})
        if not isinstance(place, dict):
            raise ParameterError(f"metadata: `{name}`: `{section}` holds no keys.", "metadata")
    try:
        place[last] = load_yaml(text)
    except ConfigError as error:
        raise ParameterError(f"metadata: the value of `{name}`: {error}", "metadata") from None
    except yaml.YAMLError:
        raise ParameterError(f"metadata: the value of `{name}` is not valid YAML.", "metadata") from None
