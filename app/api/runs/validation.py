"""Validates untrusted configs from HTTP."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, get_args

from app.api.runs.existence import refuse_missing
from app.config.run_config import RunConfig, parse_config
from app.config.splits import SPLITS
from app.errors import ConfigError, Unavailable
from app.settings import Settings
from graphs.ports import Role
from graphs.teacher.price_file import PriceFileError
from graphs.teacher.prices import PriceBook, missing_price
from graphs.teacher.spec import BudgetSpec, EndpointSpec, TeacherSpec
from trainer.presets import is_path
from trainer.specs import StudentSpec

log = logging.getLogger("pada.service")
ROLES: tuple[Role, ...] = get_args(Role)


def admit(
    document: dict[str, Any], dataset: Path | None, settings: Settings, name: str = "config"
) -> RunConfig:
    """The resolved config of a run posted over HTTP.

    Args:
        dataset: folder of the uploaded data set, which replaces the paths in `data`.
        name: what errors begin with that say which key is wrong.

    Raises:
        ConfigError: a key is wrong, or names what only the service's own configuration may name.
    """
    document = dict(document)
    if dataset is not None:
        document["data"] = _with_folder(document.get("data"), dataset)
    elif "data" not in document:
        raise ConfigError("config.data: missing; upload a data set and give its id as `dataset`.")
    config = parse_config(document, name, settings.home.resolve(), repeat=False)
    _refuse_places(config)
    _refuse_paths(config, dataset, settings)
    admitted = restrict(config, settings)
    refuse_missing(config, settings, files=dataset is None)
    return admitted


def restrict(config: RunConfig, settings: Settings) -> RunConfig:
    """The config of somebody who may start runs, but not run code, send keys anywhere, or ask for work without end.

    Raises:
        ConfigError: it names a class, a login, a server, a size or a key that the settings do not allow.
    """
    _refuse_code(config)
    _refuse_logins(config)
    _refuse_servers(config, settings)
    _refuse_trackers(config, settings)
    _refuse_sizes(config, settings)
    refuse_unpriced(config.teacher, config.budget, settings)
    return _resolve_keys(config, settings)


def _with_folder(data: Any, dataset: Path) -> dict[str, Any]:
    if data is not None and not (isinstance(data, dict) and set(data) <= {"limit"}):
        raise ConfigError("config.data: with `dataset` only `limit` may be given.")
    return {"folder": str(dataset), **(data or {})}


def _refuse_code(config: RunConfig) -> None:
    """Refuse tasks like `module:Class`, which the service would import."""
    if ":" in config.task:
        raise ConfigError(
            f"config.task: {config.task!r} is a class of your own, which is not run over HTTP; use `pada run`."
        )
    if config.task_folder is not None:
        raise ConfigError("config.task_folder: the service imports nothing from a folder; leave it out.")


def _refuse_places(config: RunConfig) -> None:
    if config.output is not None:
        raise ConfigError("config.output: the service keeps runs in a folder of its own; leave it out.")
    if config.teacher and config.teacher.ledger:
        raise ConfigError("config.teacher.ledger: the service keeps a ledger for each run; leave it out.")
    if config.teacher and config.teacher.price_file:
        raise ConfigError("config.teacher.price_file: the service has a price file of its own; leave it out.")


def _refuse_logins(config: RunConfig) -> None:
    """Refuse addresses with a password: configs are stored and shown."""
    addresses = [config.teacher.role(role).base_url for role in ROLES] if config.teacher else []
    if any("@" in address.partition("://")[2].partition("/")[0] for address in addresses):
        raise ConfigError(
            "config.teacher: a `base_url` holds a user name or a password. Leave them out, and name the environment "
            "variable of a key in `api_key_env`."
        )


def _refuse_paths(config: RunConfig, dataset: Path | None, settings: Settings) -> None:
    """Refuse local files outside of `allowed_paths`."""
    for key, path in local_files(config).items():
        if not (dataset and key.startswith("data.")) and not _allowed(path, settings):
            instead = "Upload a data set" if key.startswith("data.") else "Name one of the hub"
            raise ConfigError(
                f"config.{key}: {path} lies in no folder of PADA_ALLOWED_PATHS. {instead}, or ask whoever runs the "
                "service to allow the folder."
            )


def local_files(config: RunConfig) -> dict[str, Path]:
    """The local files and folders that a run of the config would read, by key."""
    named = {"student.model": local_path(config.student), "embedder": _path(config.embedder)}
    named |= {f"data.{name}": getattr(config.data, name) for name in (*SPLITS, "unlabeled")}
    named["data.hub"] = _path(str(config.data.hub))
    return {key: path for key, path in named.items() if path is not None}


def _refuse_servers(config: RunConfig, settings: Settings) -> None:
    """Refuse to send requests from the trainer's host to a server that the settings do not name."""
    url = config.student.vllm_url
    if url is not None and url not in settings.vllm_urls:
        raise ConfigError(
            "config.student.vllm_url: this server is not one that runs may use. Ask whoever runs the service to add it to "
            "PADA_VLLM_URLS, or leave it out."
        )


def _refuse_trackers(config: RunConfig, settings: Settings) -> None:
    """Refuse to log to accounts and servers of whoever runs the service."""
    if others := [name for name in config.track if name not in settings.trackers]:
        raise ConfigError(
            f"config.track: this service does not log to {' or '.join(others)}. Ask whoever runs it to add to PADA_TRACKERS, "
            "or leave it out."
        )


def _refuse_sizes(config: RunConfig, settings: Settings) -> None:
    """Refuse runs that would take the service's machine for days by a slip of the pen."""
    rows = config.loop.last_round * config.loop.asked_per_round(scorable=True)
    asked = {
        ("student.steps", "PADA_MAX_STEPS"): (config.student.steps or 0, settings.max_steps),
        ("loop.rounds", "PADA_MAX_ROUNDS"): (config.loop.last_round, settings.max_rounds),
        ("loop.synthetic_per_round", "PADA_MAX_NEW_ROWS"): (rows, settings.max_new_rows),
    }
    for (key, setting), (value, limit) in asked.items():
        if value > limit:
            what = f"{value:,} rows in all" if key == "loop.synthetic_per_round" else f"{value:,}"
            raise ConfigError(
                f"config.{key}: {what} is more than the {limit:,} that this service allows. Ask for less, or ask whoever "
                f"runs the service to raise {setting}."
            )


def refuse_unpriced(teacher: TeacherSpec | None, budget: BudgetSpec, settings: Settings) -> None:
    """Refuse a cap in dollars that cannot be kept: the run would fail at its first question."""
    if teacher is None:
        return
    try:
        fault = missing_price(teacher, budget, PriceBook.of(teacher, settings.prices), listed=False)
    except PriceFileError as error:
        log.error("%s", error)
        raise Unavailable(
            "The price file of this service (PADA_PRICES) cannot be used; its log says why."
        ) from None
    if fault:
        raise ConfigError(f"config.budget: {fault}")


def local_path(student: StudentSpec) -> Path | None:
    """Path of a student's weights; None for embedded students and hub names."""
    return _path(student.model)


def _path(name: str) -> Path | None:
    return Path(name) if is_path(name) else None


def _allowed(path: Path, settings: Settings) -> bool:
    # resolved, so that neither `..` nor a link can leave the folder
    whole = path.expanduser().resolve()
    return any(whole.is_relative_to(folder.expanduser().resolve()) for folder in settings.allowed_paths)


def _resolve_keys(config: RunConfig, settings: Settings) -> RunConfig:
    """Refuse to send an API key of the service's environment to an address that the settings do not name for it."""
    teacher = config.teacher
    if teacher is None:
        return config
    if "api_key_env" not in teacher.model_fields_set and not _goes(teacher.role("analyst"), settings):
        teacher = teacher.model_copy(update={"api_key_env": ""})
    for role in ROLES:
        spec = teacher.role(role)
        known = settings.known_teachers.get(spec.base_url, ())
        if kept := [name for name in spec.variables if name not in known]:
            key = "api_key_env" if kept[0] == spec.api_key_env else "headers_env"
            raise ConfigError(
                f"config.teacher: the service's key {kept[0]} may not go to {spec.base_url}. Ask whoever runs "
                f"the service to add it to PADA_TEACHER_KEYS, or leave `{key}` out."
            )
    return config.model_copy(update={"teacher": teacher})


def _goes(spec: EndpointSpec, settings: Settings) -> bool:
    return spec.api_key_env in settings.known_teachers.get(spec.base_url, ())
