"""Whether the models that a config names are there. Nothing of them is loaded."""

from __future__ import annotations

from pathlib import Path

from app.config.run_config import RunConfig
from app.errors import ConfigError
from app.settings import Settings
from trainer.presets import BUILTIN_EMBEDDERS, BUILTIN_STUDENTS, is_path


def refuse_missing_models(config: RunConfig) -> None:
    """Raises ConfigError where a model is missing: the trainer would say so after it has loaded its libraries."""
    if fault := missing_student(config) or missing_embedder(config):
        raise ConfigError(fault)


def missing_student(config: RunConfig) -> str:
    """Why there is no such student, and what to do; empty if there is one, or if a cluster trains it, whose disks are not known
    here."""
    from trainer.weights import ModelError, find_model, read_config

    if Settings().launcher != "local":
        return ""
    name, [embedded] = config.student.model, BUILTIN_STUDENTS
    try:
        place = find_model(name)
        if place is None:
            fault = _missing_on_hub("student.model", name)
            return fault and f"{fault} `{embedded}` needs no hub."
        if place.is_dir():
            read_config(place)
    except (ModelError, OSError) as error:
        return f"student.model: {error}"
    return ""


def missing_embedder(config: RunConfig) -> str:
    """Why there is no such embedder; empty if there is one, or if the run needs none, as plain fine-tuning."""
    name = config.embedder
    if not config.loop.last_round or name in BUILTIN_EMBEDDERS or Path(name).expanduser().is_dir():
        return ""
    if is_path(name):
        return f"embedder: there is no folder {name}."
    return _missing_on_hub("embedder", name)


def _missing_on_hub(key: str, name: str) -> str:
    from trainer.hub_models import HubError, find

    try:
        find(name)
    except HubError as error:
        return f"{key}: {error}"
    return ""
