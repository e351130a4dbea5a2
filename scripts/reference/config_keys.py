"""The keys of a config file as Markdown tables, read from the typed models that check it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.compare.spec import CompareSpec
from app.config.run_config import RunConfig

Section = tuple[str, type[BaseModel]]
HEADING = "| key | type | default | description |\n|---|---|---|---|"
BOUNDS = {Ge: ("ge", "≥"), Gt: ("gt", ">"), Le: ("le", "≤"), Lt: ("lt", "<")}


def config_page() -> str:
    """Every section of a run's config, and `compare`, which only `pada compare` reads."""
    return "\n\n".join(table(*section) for section in config_sections())


def config_sections() -> list[Section]:
    """Dotted name and model of every section; the run itself has the empty name."""
    return [*sections("", RunConfig), *sections("compare", CompareSpec)]


def sections(name: str, model: type[BaseModel]) -> Iterator[Section]:
    """A section and those inside it, outer ones first."""
    yield name, model
    for key, field in model.model_fields.items():
        for inner in models_of(field.annotation):
            yield from sections(f"{name}.{key}".lstrip("."), inner)


def models_of(annotation: Any) -> list[type[BaseModel]]:
    """Models inside a type such as `dict[str, Price]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_of(part)]


def table(name: str, model: type[BaseModel]) -> str:
    """A heading, the model's own sentence, and a row for each key."""
    title = f"## `{name}`" if name else "## Top level"
    summary = (model.__doc__ or "").strip().partition("\n\n")[0].replace("\n", " ")
    rows = [row(name, key, field) for key, field in model.model_fields.items()]
    return "\n".join([title, "", " ".join(summary.split()), "", HEADING, *rows])


def row(section: str, key: str, field: FieldInfo) -> str:
    """One key; `|` is escaped because it ends a cell."""
    name = f"[`{key}`](#{anchor(section, key)})" if models_of(field.annotation) else f"`{key}`"
    cells = (name, type_name(field.annotation) + bounds(field), default(field), description(field))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def anchor(section: str, key: str) -> str:
    """The anchor of a nested section's heading, as Markdown's own slugs have it: dots vanish."""
    return f"{section}{key}".replace(".", "")


def description(field: FieldInfo) -> str:
    """The docstring under the field, on one line."""
    return " ".join((field.description or "").split())


def type_name(annotation: Any) -> str:
    """A type in the words of YAML: text, number, list."""
    if annotation in PLAIN:
        return PLAIN[annotation]
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{str(part).lower() if isinstance(part, bool) else part}`" for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(type_name(part) for part in parts if part is not NoneType)
    if origin is list:
        return f"list of {type_name(parts[0])}"
    if origin is dict:
        return f"mapping of {type_name(parts[0])} to {type_name(parts[1])}"
    return "section"


PLAIN: dict[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
    Any: "anything",
}


def bounds(field: FieldInfo) -> str:
    """Limits of a number, such as `, ≥ 1`."""
    found = [
        f"{sign} {getattr(limit, attribute):g}"
        for limit in field.metadata
        for kind, (attribute, sign) in BOUNDS.items()
        if isinstance(limit, kind)
    ]
    return ", " + ", ".join(found) if found else ""


def default(field: FieldInfo) -> str:
    """The default as YAML writes it; empty for a section, whose own keys have defaults."""
    value = field.get_default(call_default_factory=True, validated_data={})
    if field.is_required():
        return "required"
    if isinstance(value, BaseModel) or value in ({}, []):
        return ""
    if value is None:
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
