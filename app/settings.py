"""The service's settings: the only reader of the environment. Every field is `PADA_<NAME>`."""

from __future__ import annotations

import ipaddress
import json
import sys
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import ConfigError
from graphs.ports import Role
from graphs.teacher.spec import TeacherSpec
from trainer.tracking import TrackerName

ROLES: tuple[Role, ...] = get_args(Role)
JSON: dict[Any, str] = {list: '["...", "..."]', dict: '{"...": "..."}'}
KINDS: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false"}
BOUNDS = {"ge": "of at least {}", "gt": "above {}", "le": "at most {}", "lt": "below {}"}
DATABASE = r"^(sqlite(\+\w+)?:///.+|postgresql(\+\w+)?://(.*@)?(\[.*\]|[^@/:?]*)(:\d+)?([/?].*)?)?$"


class Environment(BaseSettings):
    """Settings from environment variables: a prefix and the name of a field. Lists and dicts are JSON.

    Raises:
        ConfigError: a variable is wrong; the message names it, and what belongs there.
    """

    model_config = SettingsConfigDict(frozen=True, enable_decoding=False)

    def __init__(self, **values: Any):
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError("\n".join(map(self._explained, error.errors()))) from None

    @field_validator("*", mode="before")
    @classmethod
    def _decoded(cls, value: Any, info: ValidationInfo) -> Any:
        kind = get_origin(cls.model_fields[str(info.field_name)].annotation)
        if kind is None or kind not in JSON or not isinstance(value, str):
            return value
        with suppress(ValueError):
            if isinstance(decoded := json.loads(value), kind):
                return decoded
        raise ValueError(f"a JSON value such as {JSON[kind]} belongs here")

    @classmethod
    def _explained(cls, fault: Any) -> str:
        name, *inside = map(str, fault["loc"])
        where = ": ".join(filter(None, [f"{cls.model_config['env_prefix']}{name.upper()}", ".".join(inside)]))
        field, message = cls.model_fields[name], fault["msg"].removeprefix("Value error, ")
        if allowed := _allowed(field):
            return f"{where}: {allowed} belongs here (it is {str(fault['input'])[:60]!r})."
        # texts and JSON may hold a secret, so they are not repeated
        if field.examples:
            return f"{where}: {' or '.join(field.examples)} belongs here."
        return f"{where}: {message[0].lower() + message[1:]}."


def _allowed(field: FieldInfo) -> str:
    """What a number, a choice or a switch may be; empty for other fields."""
    if get_origin(field.annotation) is Literal:
        return f"one of {', '.join(get_args(field.annotation))}"
    if field.annotation not in KINDS:
        return ""
    bounds = [
        text.format(getattr(each, name))
        for each in field.metadata
        for name, text in BOUNDS.items()
        if hasattr(each, name)
    ]
    return f"{KINDS[field.annotation]} {' and '.join(bounds)}".rstrip()


class Settings(Environment):
    """Settings of the service. Times are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix="PADA_")

    home: Path = Path("pada-home")
    """Folder of runs, data sets and, by default, the database."""
    comparisons: list[Path] = [Path("runs")]
    """Folders whose comparisons (`pada compare`) are shown, besides `comparisons` in `home`; `runs` is where `pada compare`
    writes by default."""
    database_url: str = Field(
        "", pattern=DATABASE, examples=["sqlite:///FILE", "postgresql://USER:PASSWORD@HOST/NAME"]
    )
    """`sqlite:///FILE` or `postgresql://USER:PASSWORD@HOST/NAME`; empty is `pada.sqlite` in `home`."""
    host: str = "127.0.0.1"
    port: int = Field(8300, ge=0, le=65535)
    auth: Literal["auto", "on", "off"] = "auto"
    """API keys: `auto` asks for them unless `host` is a loopback address; `off` is refused elsewhere."""
    allowed_paths: list[Path] = []
    """Folders under which a run posted over HTTP may name data, students and embedders; data sets need none."""
    teacher_keys: dict[str, list[str]] = {"https://api.openai.com/v1": ["OPENAI_API_KEY"]}
    """Teacher address -> names of environment variables whose values runs posted over HTTP may send there, as keys or in
    headers."""
    private_teachers: Literal["auto", "on", "off"] = "auto"
    """Whether runs posted over HTTP may ask teachers on this machine and in private networks: `auto` where the service itself
    listens on loopback. Those of `teacher_keys` they always may."""
    teachers: dict[str, TeacherSpec] = {}
    """Name -> the `teacher` section of a config, for fine-tuning jobs that name it; `default` is for those that name none. What
    holds for an address in `teacher_keys` holds for theirs, with the `api_key_env` and `headers_env` that they name."""
    prices: Path | None = None
    """JSON file of model prices for teachers that name none in `price_file`; read when a run starts or goes on."""
    students: dict[str, str] = {}
    """Name -> student (`student.model`) of fine-tuning jobs that ask for this name, such as one of OpenAI's models."""
    vllm_urls: list[str] = []
    """vLLM servers that runs posted over HTTP may name in `student.vllm_url`: a server is told to load a run's adapter."""
    trackers: list[TrackerName] = []
    """Experiment trackers that runs posted over HTTP may name in `track`: they are logged with the service's own accounts."""
    ready_teachers: list[str] = []
    """Teacher addresses (`base_url`) that `/readyz` checks."""
    max_body_bytes: int = Field(1 << 20, ge=1)
    """Longest JSON body."""
    max_dataset_bytes: int = Field(512 << 20, ge=1)
    """Largest upload, all splits together."""
    body_seconds: float = Field(30.0, gt=0, le=86_400)
    """Longest wait for a request's body in all, and a second more for each KiB that has come."""
    max_dataset_rows: int = Field(500_000, ge=1)
    max_running: int = Field(1, ge=0)
    """Maximum number of runs that work at once in this process; 0 serves HTTP only. One for each GPU is a good
    number."""
    max_unfinished: int = Field(1000, ge=1)
    """Maximum number of unfinished runs of one key."""
    max_steps: int = Field(100_000, ge=1)
    """Maximum optimizer steps of a run's `student.steps`."""
    max_rounds: int = Field(20, ge=1)
    max_new_rows: int = Field(100_000, ge=1)
    """Maximum rows that a run may ask of its teacher: `loop.rounds` times what one round asks for."""
    max_hours: float = Field(168.0, gt=0)
    """Maximum hours that a run works, over all its starts; the time that it waits does not count."""
    max_run_bytes: int = Field(200 << 30, ge=1)
    """Maximum bytes of a run's folder: rows, students, checkpoints."""
    max_datasets: int = Field(1000, ge=1)
    """Maximum number of uploads of one key that are kept: data sets and files."""
    max_key_bytes: int = Field(20 << 30, ge=1)
    """Maximum bytes of all uploads of one key that are kept, with the rows that fine-tuning jobs took from them."""
    requests_per_minute: int = Field(1200, ge=1)
    """Maximum for one key, or for one address where keys are off."""
    lease_seconds: float = Field(30.0, gt=0)
    heartbeat_seconds: float = Field(10.0, gt=0)
    poll_seconds: float = Field(1.0, gt=0)
    """How often the executor looks for runs, and a worker for requests to pause or cancel."""
    drain_seconds: float = Field(25.0, gt=0)
    """How long workers may take to stop when the service ends."""
    serving_queue: int = Field(32, ge=0)
    """Maximum number of questions to trained students that are answered or wait; 0 answers none in this process."""
    serving_idle_seconds: float = Field(600.0, gt=0)
    """How long the process with the students' weights stays after its last answer."""
    serving_wait_seconds: float = Field(30.0, ge=0)
    """How long a question waits for a device that trainers have."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    launcher: Literal["local", "ray"] = "local"
    """Where students are trained: `local` is a process on this machine, `ray` a job on a Ray cluster (docs/guides/ray.md)."""
    trainers_per_device: int = Field(1, ge=1)
    """How many trainers share a GPU (or the CPU) of this machine. More than one is faster where a small student leaves most of
    the GPU idle, and its memory is enough for all."""
    ray_address: str = Field("http://127.0.0.1:8265", pattern=r"^https?://", examples=["http://HEAD:8265"])
    """The dashboard of the cluster's head."""
    ray_gpus: float = Field(1.0, ge=0)
    """GPUs of one training process; 0 for a cluster without."""
    ray_cpus: float = Field(1.0, gt=0)
    """CPUs of one training process, and its threads."""
    ray_python: str = sys.executable
    """Path of the Python with pada on every node; by default that of this process."""
    ray_patience_seconds: float = Field(300.0, ge=0)
    """How long a cluster may not answer before the run pauses."""

    @cached_property
    def database(self) -> str:
        """The database's SQLAlchemy URL, with an asynchronous driver."""
        url = self.database_url or f"sqlite:///{self.home.resolve() / 'pada.sqlite'}"
        for name, driver in (("sqlite", "sqlite+aiosqlite"), ("postgresql", "postgresql+psycopg")):
            url = url.replace(f"{name}://", f"{driver}://", 1) if url.startswith(f"{name}://") else url
        return url

    def environment(self) -> dict[str, str]:
        """The same settings as environment variables, for a child process."""
        prices = self.prices and self.prices.resolve()
        update = {"home": self.home.resolve(), "database_url": self.database, "prices": prices}
        whole = self.model_copy(update=update)
        fields = whole.model_dump(mode="json", exclude_none=True)
        # what a teacher leaves out is not the same as its default: see `known_teachers`
        fields |= whole.model_dump(mode="json", include={"teachers"}, exclude_unset=True)
        return {
            f"PADA_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for name, value in fields.items()
        }

    @property
    def runs(self) -> Path:
        """Where the runs' folders are."""
        return self.home.resolve() / "runs"

    @property
    def datasets(self) -> Path:
        """Where uploaded data sets are."""
        return self.home.resolve() / "datasets"

    @property
    def own_comparisons(self) -> Path:
        """Where the comparisons are that the service runs, and where others are looked for."""
        return self.home.resolve() / "comparisons"

    @property
    def comparison_folders(self) -> list[Path]:
        """Where comparisons are looked for."""
        return [self.own_comparisons, *(each.expanduser().resolve() for each in self.comparisons)]

    @property
    def keys_required(self) -> bool:
        """Whether a request needs an API key."""
        return self.auth == "on" or (self.auth == "auto" and not self.on_loopback)

    @cached_property
    def known_teachers(self) -> dict[str, set[str]]:
        """Teacher address -> names of variables whose keys runs posted over HTTP may send there, by all settings."""
        known = {address: set(names) for address, names in self.teacher_keys.items()}
        for teacher in self.teachers.values():
            for role in ROLES:
                spec = teacher.role(role)
                names = known.setdefault(spec.base_url, set())
                named = "api_key_env" in teacher.model_fields_set or getattr(teacher, role).api_key_env
                names.update(spec.headers_env.values())
                if spec.api_key_env and named:
                    names.add(spec.api_key_env)
        return known

    @property
    def private_teachers_allowed(self) -> bool:
        """Whether teachers may live on this machine and in private networks."""
        return self.private_teachers == "on" or (self.private_teachers == "auto" and self.on_loopback)

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class RayToken(Environment):
    """The token of a Ray cluster, in the variables that Ray uses."""

    model_config = SettingsConfigDict(env_prefix="RAY_")

    auth_token: SecretStr = SecretStr("")
    auth_token_path: Path = Path("~/.ray/auth_token")
    """File with the token, read where `auth_token` is empty."""

    def read(self) -> str:
        """The token; empty where there is none."""
        path = self.auth_token_path.expanduser()
        token = self.auth_token.get_secret_value()
        return (token or (path.read_text(encoding="utf-8") if path.is_file() else "")).strip()


class GraphSettings(Environment):
    """Variables of LangGraph that the service depends on."""

    model_config = SettingsConfigDict(env_prefix="LANGGRAPH_")

    strict_msgpack: bool = True
    """Checkpoints hold plain data only; the workers of a service always have it on."""


class ClientSettings(Environment):
    """Settings of the command line as a client of a service."""

    model_config = SettingsConfigDict(env_prefix="PADA_")

    key: str | None = None
    """The API key."""


class TraceSettings(Environment):
    """The standard variables of OpenTelemetry that turn traces on; its SDK reads the others."""

    model_config = SettingsConfigDict(env_prefix="OTEL_EXPORTER_OTLP_")

    endpoint: str = ""
    traces_endpoint: str = ""

    @property
    def on(self) -> bool:
        """Whether traces have a destination."""
        return bool(self.endpoint or self.traces_endpoint)
