"""`response_format` of a chat: text, any JSON object, or JSON that follows a schema."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class TextFormat(BaseModel):
    """As the student was trained to answer."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["text"]

    @property
    def schema_of_reply(self) -> dict[str, Any] | None:
        return None


class JsonObjectFormat(BaseModel):
    """Any JSON object."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["json_object"]

    @property
    def schema_of_reply(self) -> dict[str, Any] | None:
        return {"type": "object"}


class NamedSchema(BaseModel):
    """A JSON schema. Replies follow it whether it is `strict` or not."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=64, description="Without effect, as `description` and `strict`.")
    content: dict[str, Any] = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class JsonSchemaFormat(BaseModel):
    """JSON that follows a schema."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["json_schema"]
    json_schema: NamedSchema

    @property
    def schema_of_reply(self) -> dict[str, Any] | None:
        return self.json_schema.content


ReplyFormat = Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]
