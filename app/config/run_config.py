"""A run's configuration file: one YAML document, one typed model."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError, field_validator

from app.config.data import DataSpec
from app.config.given_path import CONFIGS, is_named_as, why_no_config
from app.config.splits import SPLITS
from app.config.yaml_document import load_yaml
from app.errors import ConfigError
from graphs.context import Context, source_shares
from graphs.teacher.spec import BudgetSpec, TeacherSpec
from trainer.presets import BUILTIN_EMBEDDERS, is_path, refuse_unknown_builtin
from trainer.specs import EXECUTION
from trainer.strict import Name
from trainer.tracking import TrackerName

SHOWN_KEYS = 6
"""Keys of a section that an error names."""


class RunConfig(Context):
    """The configuration of one run.

    Relative paths count from the folder of the config file.
    """

    data: DataSpec
    """Where the rows are."""
    teacher: TeacherSpec | None = None
    """Who analyses, writes and judges. Needed by every method but `vanilla`."""
    budget: BudgetSpec = BudgetSpec()
    """Hard caps on what the teacher may cost."""
    embedder: Name = "builtin:minilm"
    """`builtin:minilm`, or any sentence-transformers name or folder (the paper: all-mpnet-base-v2)."""
    task_folder: Path | None = None
    """Folder of the module of a task of your own; None is the config file's own folder."""
    track: list[TrackerName] = []
    """Experiment trackers that the run is logged to; see the guide on trackers."""
    output: Path | None = None
    """The run's folder; None is `runs/<name of the config file>` in the current folder."""

    @field_validator("embedder")
    @classmethod
    def _known_builtin(cls, value: str) -> str:
        refuse_unknown_builtin(value, BUILTIN_EMBEDDERS)
        return value

    def context(self) -> Context:
        """The part of the config that nodes read."""
        return Context(**{name: getattr(self, name) for name in Context.model_fields})

    def identity(self) -> dict[str, Any]:
        """The keys that may not change while a run goes on.

        All but `teacher`, `budget`, `track`, `output` and `task_folder`, how the student's work is done
        (`trainer.specs.EXECUTION`), and where the data files lie: what is in them may not change, and `data/report.json` knows it.
        """
        free: dict[str, Any] = dict.fromkeys(("teacher", "budget", "track", "output", "task_folder"), True)
        places = {"folder", "train", "validation", "test", "unlabeled"}
        return self.model_dump(mode="json", exclude=free | {"student": set(EXECUTION), "data": places})


def load_config(path: Path) -> RunConfig:
    """Read a config file.

    Raises:
        ConfigError: the file is missing, is not YAML, or a key is unknown or wrong; the message names the key.
    """
    document = read_document(path)
    if "compare" in document:
        raise ConfigError(
            f"{path}: compare: this is the config of a comparison. `pada compare {path}` runs it; with `--plan` it only says "
            "what that would take."
        )
    return parse_config(document, str(path), path.parent.resolve())


def read_document(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds.

    Raises:
        ConfigError: the file is missing, is no YAML mapping, or a key stands twice in it.
    """
    text = read_text(path)
    try:
        return with_description(parse_text(text, str(path)), path)
    except ConfigError as error:
        if is_named_as(path, CONFIGS):
            raise
        raise ConfigError(
            f"{error} If this is a file of rows, `pada init {path}` makes a config of it."
        ) from None


def read_text(path: Path) -> str:
    """The text of a config file; raises ConfigError when it cannot be read, or is something else."""
    if path.exists() and (reason := why_no_config(path)):
        raise ConfigError(f"{path}: {reason}")
    return _text(path, str(path))


def _text(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{name}: there is no such file.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{name}, line {line}: byte 0x{error.object[error.start]:02x} is not UTF-8. Save the file as UTF-8 text."
        ) from None
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}.") from None


def parse_text(text: str, name: str) -> dict[str, Any]:
    """The mapping that a YAML text holds; errors begin with `name`.

    Raises:
        ConfigError: it is no YAML mapping, or a key stands twice in it.
    """
    try:
        document = load_yaml(text)
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: {explain_yaml(error)}") from None
    if not isinstance(document, dict):
        raise ConfigError(
            f"{name}: a config is a mapping of keys such as `task` and `data`; see docs/guides/configuration.md."
        )
    return document


def with_description(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """The document with the text in place of `task_description: {file: PATH}`.

    Only a config that is a file can name one: a document that came over HTTP must not have a file of the service read.
    """
    given = document.get("task_description")
    if not (isinstance(given, dict) and list(given) == ["file"] and isinstance(given["file"], str)):
        return document
    file = path.parent / Path(given["file"]).expanduser()
    text = _text(file, f"{path}: task_description.file: {file}").strip()
    if not text:
        raise ConfigError(f"{path}: task_description.file: {file} is empty; describe the task in it.")
    return document | {"task_description": text}


def parse_config(document: dict[str, Any], name: str, base: Path, *, repeat: bool = True) -> RunConfig:
    """Check a config document and make its paths absolute; errors begin with `name`.

    Args:
        repeat: errors show the wrong values, except those under `teacher`.
    """
    try:
        config = RunConfig.model_validate(document)
    except ValidationError as error:
        raise ConfigError("\n".join(f"{name}: {line}" for line in explain(error, repeat))) from None
    if config.loop.method != "vanilla" and config.teacher is None:
        raise ConfigError(
            f"{name}: teacher: missing; give `teacher.base_url` and `teacher.model`, or use `loop.method: vanilla`."
        )
    if config.evaluate_teacher and config.teacher is None:
        raise ConfigError(
            f"{name}: evaluate_teacher: there is no `teacher` to evaluate; add one, or leave it out."
        )
    return absolute(with_sources(config, name), base)


def with_sources(config: RunConfig, name: str) -> RunConfig:
    """The config with the sources of `pada` filled in: half of its rows are unlabelled ones where there are some.

    Raises:
        ConfigError: rows are to come from a file that the config does not name.
    """
    loop = config.loop
    if config.data.unlabeled is None:
        if not loop.unlabeled_per_round:
            return config
        key = "loop.method: `active`" if loop.method == "active" else "loop.sources: `unlabeled`"
        raise ConfigError(f"{name}: {key} needs rows without answers; name their file as `data.unlabeled`.")
    if loop.sources is None and loop.method == "pada":
        loop = loop.model_copy(update={"sources": source_shares(["generated", "unlabeled"])})
    return config.model_copy(update={"loop": loop})


def absolute(config: RunConfig, base: Path) -> RunConfig:
    """The config with every relative path counted from `base`."""
    student = config.student.model_copy(update={"model": _place(config.student.model, base)})
    teacher = config.teacher
    if teacher:
        files = {"ledger": teacher.ledger, "price_file": teacher.price_file}
        named = {key: (base / path.expanduser()).resolve() for key, path in files.items() if path}
        teacher = teacher.model_copy(update=named)
    output = (base / config.output.expanduser()).resolve() if config.output else None
    return config.model_copy(
        update={
            "data": _absolute_data(config.data, base),
            "student": student,
            "teacher": teacher,
            "embedder": _place(config.embedder, base),
            "output": output,
            "task_folder": _task_folder(config, base),
        }
    )


def _task_folder(config: RunConfig, base: Path) -> Path | None:
    """Where the class of a task of the user's own is looked for; None for a task of ours."""
    folder = config.task_folder or (Path() if ":" in config.task else None)
    return (base / folder.expanduser()).resolve() if folder else None


def _absolute_data(data: DataSpec, base: Path) -> DataSpec:
    pool = data.unlabeled_file(base)
    rest: dict[str, Any] = {"limit": data.limit, "unlabeled": pool.resolve() if pool else None}
    if data.hub:
        return DataSpec(hub=_place(data.hub, base) if isinstance(data.hub, str) else True, **rest)
    return DataSpec(**{split: data.file(split, base).resolve() for split in SPLITS}, **rest)


def _place(name: str, base: Path) -> str:
    """A local path made absolute; any other name, such as a hub name, unchanged."""
    local = base / Path(name).expanduser()
    return str(local.resolve()) if is_path(name) or local.exists() else name


def explain_yaml(error: yaml.YAMLError) -> str:
    """Position and kind of a YAML error. The line itself is not repeated, because it may hold a secret."""
    mark = getattr(error, "problem_mark", None)
    where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
    return f"not valid YAML{where}: {getattr(error, 'problem', None) or 'it cannot be read'}."


def explain(error: ValidationError, repeat: bool = True, section: type[BaseModel] = RunConfig) -> list[str]:
    """One line for each error in a section of the config: the key, what is wrong, and what to do."""
    return [explain_one(details, repeat, section) for details in error.errors()]


def explain_one(details: Any, repeat: bool, section: type[BaseModel]) -> str:
    where = ".".join(str(part) for part in details["loc"])
    if details["type"] == "extra_forbidden":
        known = known_keys(section, details["loc"][:-1])
        key = str(details["loc"][-1])
        if place := next(
            (name for name in known if key in known_keys(section, (*details["loc"][:-1], name))), None
        ):
            return (
                f"{where}: unknown key here; it belongs under `{'.'.join([*where.split('.')[:-1], place])}`."
            )
        near = difflib.get_close_matches(key, known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known keys here: {', '.join(sorted(known))}."
        return f"{where}: unknown key; {hint}"
    if details["type"] == "missing":
        return f"{where}: missing."
    if details["type"] == "model_type" and (known := known_keys(section, details["loc"])):
        return f"{where}: keys belong here, one a line, such as `{known[0]}: ...`; known keys: {', '.join(known[:SHOWN_KEYS])}, ..."
    message = details["msg"].removeprefix("Value error, ")
    # a secret pasted into the wrong key must not appear on the terminal
    hidden = not repeat or details["loc"][:1] == ("teacher",)
    shown = "" if hidden else f" (it is {str(details['input'])[:60]!r})"
    return f"{where}: {message[0].lower() + message[1:]}{shown}."


def known_keys(section: type[BaseModel], location: tuple[Any, ...]) -> list[str]:
    """The valid keys at a location in a section of the config."""
    model: Any = section
    for part in location:
        field = (
            model.model_fields.get(part) if isinstance(model, type) and issubclass(model, BaseModel) else None
        )
        kinds = (field.annotation, *get_args(field.annotation)) if field else ()
        model = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if model is None:
            return []
    return list(model.model_fields)
