"""The commands of `pada` as Markdown, read from the typer application."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from app.cli.main import app

Command = Any
"""A command of typer. Its classes are private to typer, and differ between its versions."""
Named = tuple[str, Command]


def commands_page() -> str:
    """A section for each command."""
    return "\n\n".join(section(*command) for command in commands())


def commands() -> list[Named]:
    """Every command by its full name, such as `pada runs list`."""
    return list(leaves("pada", typer.main.get_command(app)))


def leaves(name: str, command: Command) -> Iterator[Named]:
    """The commands inside a group, or the command itself."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for key, child in inner.items():
        yield from leaves(f"{name} {key}", child)


def section(name: str, command: Command) -> str:
    """Heading, usage, help, and the table of parameters."""
    arguments = [shown(each) for each in command.params if each.param_type_name == "argument"]
    usage = " ".join([name, *arguments, "[OPTIONS]"])
    help_ = " ".join((command.help or "").split())
    rows = [row(each) for each in command.params]
    table = ["", "| argument or option | description |", "|---|---|", *rows] if rows else []
    return "\n".join([f"## `{name}`", "", f"    {usage}", "", help_, *table])


def row(parameter: Any) -> str:
    """One argument or option."""
    help_ = " ".join((getattr(parameter, "help", None) or "").split())
    return f"| `{shown(parameter)}` | {help_} |".replace("  |", " |")


def shown(parameter: Any) -> str:
    """An argument by its placeholder, an option by its flags and, where it takes a value, its placeholder."""
    place = parameter.metavar or parameter.name.upper()
    if parameter.param_type_name == "argument":
        return str(place)
    flags = ", ".join(parameter.opts)
    return flags if parameter.is_flag else f"{flags} {place}"
