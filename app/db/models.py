"""The tables. Times are seconds since the epoch, by the database's clock (`clock`)."""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import JSON, Float, ForeignKey, Index, String
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.sql.functions import FunctionElement

from app.engine.run_status import RunStatus
from graphs.errors import Wait

WorkerRequest = Literal["pause", "cancel"]


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map = {dict[str, Any]: JSON, list[str]: JSON}


class clock(FunctionElement[float]):  # noqa: N801 - SQL functions are lower case
    """Seconds since the epoch: one clock for all processes that share the database."""

    type = Float()
    inherit_cache = True


@compiles(clock, "sqlite")
def _sqlite_clock(element: clock, compiler: Any, **_: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(clock, "postgresql")
def _postgresql_clock(element: clock, compiler: Any, **_: Any) -> str:
    return "extract(epoch from clock_timestamp())"


class ApiKey(Base):
    """An API key; only its digest is stored."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 (hex) of the key, which is 256 random bits: no salt is needed."""
    scopes: Mapped[list[str]]
    created: Mapped[float]
    revoked: Mapped[float | None]


class DataSet(Base):
    """An uploaded data set; its files are in `Settings.datasets / id`."""

    __tablename__ = "datasets"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(32), index=True)
    """Id of the key that uploaded it; empty where keys are off."""
    name: Mapped[str] = mapped_column(String(200))
    created: Mapped[float]
    files: Mapped[dict[str, Any]]
    """split -> {rows, bytes, sha256}; of a single file, `file` -> the same."""
    purpose: Mapped[str | None] = mapped_column(String(32))
    """Of a single file that was uploaded to `/v1/files` or to the page: what for. None is a data set with its three
    splits."""
    source: Mapped[str | None] = mapped_column(String(32), index=True)
    """Id of the uploaded file that the rows were taken from; they are deleted with it."""


class Run(Base):
    """One run: its config, its status, its lease and its progress."""

    __tablename__ = "runs"
    __table_args__ = (
        Index("runs_by_owner", "owner", "created", "id"),
        Index("runs_by_status", "status", "created"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(32))
    created: Mapped[float]
    config: Mapped[dict[str, Any]]
    """The resolved config (`RunConfig`), paths absolute."""
    dataset: Mapped[str | None] = mapped_column(ForeignKey("datasets.id"), index=True)
    status: Mapped[RunStatus] = mapped_column(String(16), default="queued")
    reason: Mapped[str] = mapped_column(default="")
    """Why it ended or waits, in one paragraph."""
    waiting_for: Mapped[Wait | None] = mapped_column(String(16))
    """Of a paused run."""
    requested: Mapped[WorkerRequest | None] = mapped_column("asked", String(16))
    """What the user asks its worker to do."""
    answer: Mapped[dict[str, Any] | None]
    """The reviewer's answer, until the run has taken it."""
    view: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """The run's summary (`app.db.run_summary.RunSummary`)."""
    started: Mapped[float | None]
    ended: Mapped[float | None]
    token: Mapped[int] = mapped_column(default=0)
    """The fencing token: number of times the run was claimed."""
    lease_holder: Mapped[str | None] = mapped_column(String(200))
    lease_until: Mapped[float | None]
    last_event: Mapped[int] = mapped_column(default=0)
    job: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """What `/v1/fine_tuning/jobs` was asked for; None for a run that was started otherwise."""
    comparison: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    """Of a comparison, which is worked on as a run is: what is compared (`app.compare.record.ComparisonRecord`). None for a
    run. The config of a comparison is that of `app.compare.spec.Comparison`, and all its runs are in its folder."""


class RunEvent(Base):
    """An event of a run (`app.engine.events`), numbered 1, 2, ... without a gap."""

    __tablename__ = "run_events"

    run: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[float]
    type: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]]


class IdempotentReply(Base):
    """The reply to a POST with an `Idempotency-Key`, repeated for the same request."""

    __tablename__ = "idempotent_replies"

    owner: Mapped[str] = mapped_column(String(32), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request: Mapped[str] = mapped_column(String(64))
    """SHA-256 (hex) of method, path and body."""
    status: Mapped[int | None]
    """None while the first request is being handled."""
    body: Mapped[dict[str, Any] | None]
    created: Mapped[float]
