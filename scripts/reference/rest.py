"""The REST operations as Markdown, read from the OpenAPI document that the service serves."""

from __future__ import annotations

from typing import Any

from app.api.app import create_app

Json = dict[str, Any]
JSON, EVENTS = "application/json", "text/event-stream"


def rest_page() -> str:
    """Operations by tag, then the schemas of their bodies."""
    document = create_app().openapi()
    tags = [tag_section(tag, document) for tag in document["tags"]]
    schemas = [schema_section(name, schema) for name, schema in document["components"]["schemas"].items()]
    return "\n\n".join([*tags, "## Schemas", *schemas])


def tag_section(tag: Json, document: Json) -> str:
    """A tag's operations, in the document's order."""
    operations = [
        operation_section(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if tag["name"] in operation.get("tags", [])
    ]
    return "\n\n".join([f"## {tag['name'].capitalize()}", tag["description"], *operations])


def operation_section(method: str, path: str, operation: Json) -> str:
    """One operation: what it does, what it takes, what it answers."""
    parts = [f"### {operation['summary']}", f"    {method.upper()} {path}", text(operation)]
    if rows := [parameter_row(each) for each in operation.get("parameters", [])]:
        parts.append("\n".join(["| parameter | in | type | description |", "|---|---|---|---|", *rows]))
    if body := operation.get("requestBody"):
        parts.append(f"Body: {content(body)}.")
    answers = operation["responses"]
    good = [f"{code} {content(answer)}".strip() for code, answer in answers.items() if code < "400"]
    bad = {code: answer for code, answer in answers.items() if code >= "400"}
    errors = f" Errors ({error_schema(bad)}): {', '.join(bad)}." if bad else ""
    return "\n\n".join([*parts, f"Answers: {', '.join(good)}.{errors}"])


def error_schema(bad: Json) -> str:
    """A link to the schema that all errors of an operation have."""
    (schema,) = {type_of(value["schema"]) for answer in bad.values() for value in answer["content"].values()}
    return schema


def parameter_row(parameter: Json) -> str:
    required = "" if parameter.get("required") else ", optional"
    return cells(
        f"`{parameter['name']}`",
        parameter["in"] + required,
        type_of(parameter["schema"]),
        text(parameter) or text(parameter["schema"]),
    )


def content(message: Json) -> str:
    """Media types and schemas of a body."""
    return ", ".join(media(kind, value) for kind, value in message.get("content", {}).items())


def media(kind: str, value: Json) -> str:
    """JSON by its schema alone; any other media type by its name, too."""
    schema = value.get("schema") or {}
    known = type_of(schema) if schema else ""
    if kind == JSON:
        return known or "JSON"
    return f"`{kind}`" + (f" of {known}" if "$ref" in schema else "")


def schema_section(name: str, schema: Json) -> str:
    """A schema's fields."""
    required = schema.get("required", [])
    rows = [
        cells(f"`{key}`" + ("" if key in required else " (optional)"), type_of(value), text(value))
        for key, value in schema.get("properties", {}).items()
    ]
    table = "\n".join(["| field | type | description |", "|---|---|---|", *rows]) if rows else ""
    return "\n\n".join(part for part in (f"### {name}", text(schema), table) if part)


def type_of(schema: Json) -> str:
    """A JSON schema in a few words; a named one is a link."""
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(type_of(option) for option in options if option.get("type") != "null")
    if values := schema.get("enum") or ([schema["const"]] if "const" in schema else []):
        return ", ".join(f"`{value}`" for value in values)
    if schema.get("type") == "array":
        items = schema.get("items") or {}
        return f"list of {type_of(items)}" if items else "list"
    return str(schema.get("format") or schema.get("type") or "any")


def text(part: Json) -> str:
    return " ".join((part.get("description") or "").split())


def cells(*values: str) -> str:
    return "| " + " | ".join(value.replace("|", "\\|") for value in values) + " |"
