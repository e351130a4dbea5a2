"""Data sets over HTTP."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.api.pagination import Page
from app.config.splits import Split
from app.db.models import DataSet

EXAMPLE: dict[str, Any] = {
    "id": "3f0c1b7e5a9d4c2f8e6b0d1a2c3e4f50",
    "name": "support tickets",
    "created": 1767225600.0,
    "files": {
        "train": {"rows": 400, "bytes": 61200, "sha256": "a3" * 32},
        "validation": {"rows": 150, "bytes": 22950, "sha256": "5d" * 32},
        "test": {"rows": 300, "bytes": 45900, "sha256": "0f" * 32},
    },
}
ROW = '{"id": "%s-1", "prompt": "Where is my parcel?", "completion": "shipping"}\n'
UPLOAD: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["name", "train", "validation", "test"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string", "minLength": 1, "maxLength": 200},
                    "train": {"type": "string", "format": "binary", "description": "JSONL, UTF-8."},
                    "validation": {"type": "string", "format": "binary", "description": "JSONL, UTF-8."},
                    "test": {"type": "string", "format": "binary", "description": "JSONL, UTF-8."},
                },
            },
            "example": {
                "name": "support tickets",
                "train": ROW % "train",
                "validation": ROW % "validation",
                "test": ROW % "test",
            },
        }
    },
}
"""The body of an upload. FastAPI cannot describe it, because `Upload` reads it in pieces."""


class FileView(BaseModel):
    """The rows of one split."""

    rows: int
    bytes: int
    sha256: str


class DataSetView(BaseModel):
    """An uploaded data set."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    id: str
    name: str
    created: float = Field(description="Seconds since the epoch.")
    files: dict[Split, FileView]


class DataSetPage(Page[DataSetView]):
    """Some of the data sets, newest first."""

    model_config = ConfigDict(json_schema_extra={"example": {"items": [EXAMPLE], "next": None}})


def view(row: DataSet) -> DataSetView:
    """A data set as it is shown."""
    return DataSetView(id=row.id, name=row.name, created=row.created, files=row.files)
