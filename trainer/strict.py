"""The base of all models that people fill in, and the texts in them. No torch here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, field_validator

UNSTORABLE = re.compile("[\0\ud800-\udfff]")
LONGEST_NAME = 1000


class Strict(BaseModel):
    """A model in which an unknown key is an error, and so is `true` or `.inf` where a number belongs."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Python counts True as 1, and pydantic would take it for a number."""
        kind = cls.model_fields[str(info.field_name)].annotation
        kinds = {kind, *get_args(kind)}
        if isinstance(value, bool) and kinds & {int, float} and bool not in kinds:
            raise ValueError(f"a number belongs here, not {str(value).lower()}")
        return value

    @field_validator("*", mode="after")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        if holds_unstorable(value):
            raise ValueError("a text without NUL and without half characters (lone surrogates) belongs here")
        return value


def holds_unstorable(value: Any) -> bool:
    """Whether there is a text in it with a NUL or half a character, which no path, database or UTF-8 file can hold."""
    if isinstance(value, str | Path):
        return bool(UNSTORABLE.search(str(value)))
    if isinstance(value, dict):
        return any(map(holds_unstorable, (*value, *value.values())))
    return isinstance(value, list) and any(map(holds_unstorable, value))


def _name(value: str) -> str:
    if not value.strip() or value != value.strip() or not value.isprintable() or len(value) > LONGEST_NAME:
        raise ValueError(
            f"a name of 1 to {LONGEST_NAME} printable characters without blanks around it belongs here"
        )
    return value


Name = Annotated[str, AfterValidator(_name)]
"""Of a model or a folder."""


def http_address(url: str) -> str:
    """The address of a server; its text is not repeated in an error, because it may hold a login.

    Raises:
        ValueError: it is none.
    """
    try:
        parts = urlsplit(url)
        # a port out of range raises
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or len(url) > 2000:
        raise ValueError("an address such as https://host/v1 or http://localhost:8000/v1 belongs here")
    return url


Address = Annotated[str, AfterValidator(http_address)]
