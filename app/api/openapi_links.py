"""Links in the OpenAPI document: which operations take the ids of an answer (OpenAPI 3.1, Link Object)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from app.api.fine_tuning.openapi_examples import CREATE
from app.api.runs.openapi_examples import CONFIG

PARAMETER = re.compile(r"{(\w+)}")
METHODS = ("get", "post", "delete")


@dataclass(frozen=True)
class Onward:
    """Links from one operation's answer to all operations under a path whose parameters are exactly `parameters`."""

    method: str
    path: str
    status: str
    under: str
    parameters: dict[str, str]
    """Name -> runtime expression."""
    body: dict[str, Any] = field(default_factory=dict)


LINKS = (
    Onward(
        "post",
        "/v1/datasets",
        "201",
        "/v1/runs",
        {},
        {"dataset": "$response.body#/id", "config": CONFIG},
    ),
    Onward("post", "/v1/datasets", "201", "/v1/datasets/{id}", {"id": "$response.body#/id"}),
    Onward("get", "/v1/datasets", "200", "/v1/datasets/{id}", {"id": "$response.body#/items/0/id"}),
    Onward("post", "/v1/files", "200", "/v1/files/{file}", {"file": "$response.body#/id"}),
    Onward(
        "post",
        "/v1/files",
        "200",
        "/v1/fine_tuning/jobs",
        {},
        CREATE | {"training_file": "$response.body#/id"},
    ),
    Onward(
        "post",
        "/v1/fine_tuning/jobs",
        "200",
        "/v1/fine_tuning/jobs/{job}",
        {"job": "$response.body#/id"},
    ),
    Onward("get", "/v1/files", "200", "/v1/files/{file}", {"file": "$response.body#/data/0/id"}),
    Onward(
        "get",
        "/v1/fine_tuning/jobs",
        "200",
        "/v1/fine_tuning/jobs/{job}",
        {"job": "$response.body#/data/0/id"},
    ),
    Onward("post", "/v1/runs", "202", "/v1/runs/{run}", {"run": "$response.body#/id"}),
    Onward("get", "/v1/runs", "200", "/v1/runs/{run}", {"run": "$response.body#/items/0/id"}),
    Onward(
        "post",
        "/v1/comparisons",
        "202",
        "/v1/comparisons/{comparison}",
        {"comparison": "$response.body#/id"},
    ),
    Onward(
        "get",
        "/v1/runs/{run}/artifacts",
        "200",
        "/v1/runs/{run}/artifacts/{path}",
        {"run": "$request.path.run", "path": "$response.body#/items/0/path"},
    ),
    Onward(
        "get",
        "/v1/runs/{run}/samples",
        "200",
        "/v1/runs/{run}/lineage/{sample}",
        {"run": "$request.path.run", "sample": "$response.body#/items/0/id"},
    ),
    *(
        Onward(
            "post",
            "/v1/runs/{run}/samples",
            "201",
            under,
            {"run": "$request.path.run", "sample": "$response.body#/id"},
        )
        for under in ("/v1/runs/{run}/lineage/{sample}", "/v1/runs/{run}/samples/{sample}")
    ),
)


def add_links(document: dict[str, Any]) -> None:
    """Put the links into the OpenAPI document of all operations."""
    for link in LINKS:
        answer = document["paths"][link.path][link.method]["responses"][link.status]
        answer["links"] = answer.get("links", {}) | dict(_targets(document["paths"], link))


def _targets(paths: dict[str, Any], link: Onward) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in paths.items():
        if not path.startswith(link.under) or set(PARAMETER.findall(path)) != set(link.parameters):
            continue
        for method in METHODS:
            if method in item and ("requestBody" in item[method] or not link.body):
                target = {"operationId": item[method]["operationId"], "parameters": link.parameters}
                yield item[method]["operationId"], target | ({"requestBody": link.body} if link.body else {})
