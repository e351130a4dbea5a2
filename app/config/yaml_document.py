"""YAML as people mean it: a key stands once, and only what looks like a number is one."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from app.errors import ConfigError

MERGE = "tag:yaml.org,2002:merge"
KEPT = ("tag:yaml.org,2002:null", MERGE)
"""Implicit types that YAML 1.1 and 1.2 read alike."""
BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)|0x[0-9a-fA-F]+")
NUMBER = re.compile(
    r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
MOST_VALUES = 100_000
"""Of a document, its references written out."""
LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")


class Loader(yaml.SafeLoader):
    """YAML 1.2's core schema, so that `no` is a text and `1e-4` a number; a key that stands twice is an error.

    YAML 1.1, which PyYAML reads, makes 330 of 0512, 90 of 1:30, and a date of 2026-01-01.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping of a node.

        Raises:
            ConfigError: a key stands twice, or is no text.
        """
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            if key_node.tag == MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, Hashable):
                raise ConfigError(f"line {line}: a key is a text, not a list or a mapping.")
            if key in lines:
                raise ConfigError(
                    f"the key `{key}` stands twice, in lines {lines[key]} and {line}: keep one of them."
                )
            lines[key] = line
        return super().construct_mapping(node, deep)

    def construct_integer(self, node: yaml.ScalarNode) -> int:
        """The integer of a node.

        Raises:
            ConfigError: Python reads no number of so many digits.
        """
        try:
            return int(self.construct_yaml_int(node))
        except ValueError:
            raise ConfigError(
                f"line {node.start_mark.line + 1}: a number of {len(node.value):,} digits is too large."
            ) from None

    def construct_leading_zero(self, node: yaml.ScalarNode) -> Any:
        """Refuse a number that readers of YAML understand differently."""
        digits = str(node.value).lstrip("+-0") or "0"
        raise ConfigError(
            f"line {node.start_mark.line + 1}: {node.value} begins with 0, which some read as octal. "
            f"Write {digits}, or put a text in quotes."
        )


for tag, pattern, first in (
    ("tag:yaml.org,2002:bool", BOOLEAN, "tTfF"),
    ("tag:pada,leading-zero", LEADING_ZERO, "-+0"),
    ("tag:yaml.org,2002:int", INTEGER, "-+0123456789"),
    ("tag:yaml.org,2002:float", NUMBER, "-+.0123456789"),
):
    Loader.add_implicit_resolver(tag, re.compile(f"(?:{pattern.pattern})$"), list(first))
for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items():
    for tag, pattern in resolvers:
        if tag in KEPT:
            Loader.add_implicit_resolver(tag, pattern, [first])
Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_integer)
Loader.add_constructor("tag:pada,leading-zero", Loader.construct_leading_zero)


def load_yaml(text: str) -> Any:
    """What a YAML text says.

    Raises:
        yaml.YAMLError: it is not YAML.
        ConfigError: a key stands twice or is no text, a number begins with 0 or is too long, or references make it too large; without the file's name.
    """
    loader = Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {})
        return loader.construct_document(node)
    except RecursionError:
        raise ConfigError("it is nested too deeply.") from None
    finally:
        loader.dispose()


def _count(node: yaml.Node, known: dict[int, int]) -> int:
    """Number of values in a node where each reference counts as all that it stands for.

    A text of 500 characters can stand for a billion values ("billion laughs").

    Args:
        known: the numbers of the nodes that were counted; those that are being counted have too many.

    Raises:
        ConfigError: there are too many, or a node contains itself.
    """
    if id(node) not in known:
        known[id(node)] = MOST_VALUES
        children = node.value if isinstance(node, yaml.CollectionNode) else ()
        parts = [part for child in children for part in (child if isinstance(child, tuple) else (child,))]
        known[id(node)] = 1 + sum(_count(part, known) for part in parts)
    if known[id(node)] >= MOST_VALUES:
        raise ConfigError(
            f"line {node.start_mark.line + 1}: with its references (`*`) written out this is too large: leave some out."
        )
    return known[id(node)]
