"""The events of a run as Markdown, read from the classes that write and read them."""

from __future__ import annotations

from typing import get_args

from app.engine.events import BaseEvent, KnownEvent
from scripts.reference.config_keys import description, type_name

HEADING = "| field | type | description |\n|---|---|---|"


def events_page() -> str:
    """What all events have, then each kind."""
    common = section("Every event", BaseEvent, set())
    return "\n\n".join(
        [common, *(section(title(kind), kind, set(BaseEvent.model_fields)) for kind in kinds())]
    )


def kinds() -> list[type[BaseEvent]]:
    """The classes of the union."""
    return list(get_args(KnownEvent))


def title(kind: type[BaseEvent]) -> str:
    """The fixed values that tell the kind apart, such as `stage`, `done`."""
    fixed = [kind.model_fields[name].default for name in ("type", "state") if name in kind.model_fields]
    return ", ".join(f"`{value}`" for value in fixed)


def section(heading: str, kind: type[BaseEvent], without: set[str]) -> str:
    """A heading, the class's sentence, and a row for each field."""
    rows = [
        f"| `{name}` | {type_name(field.annotation)} | {description(field)} |"
        for name, field in kind.model_fields.items()
        if name not in without
    ]
    summary = " ".join((kind.__doc__ or "").split())
    return "\n".join([f"## {heading}", "", summary, "", HEADING, *rows])
