"""Examples of the runs' operations, for the OpenAPI document: all of one run in round 1."""

from __future__ import annotations

from typing import Any

RUN = "7b1e0c52d94f4a6f8f3b2a1c0d9e8f70"
DATASET = "3f0c1b7e5a9d4c2f8e6b0d1a2c3e4f50"

CONFIG: dict[str, Any] = {
    "task": "classification",
    "student": {"model": "builtin:smollm2-135m", "epochs": 3},
    "teacher": {"base_url": "http://localhost:8000/v1", "model": "my-teacher"},
    "loop": {"rounds": 2, "synthetic_per_round": 100},
    "budget": {"max_calls": 2000},
}
START: Any = {"dataset": DATASET, "config": CONFIG}
VIEW: dict[str, Any] = {
    "id": RUN,
    "status": "running",
    "reason": "",
    "waiting_for": None,
    "review": None,
    "task": "classification",
    "method": "pada",
    "dataset": DATASET,
    "created": 1767225600.0,
    "started": 1767225601.2,
    "ended": None,
    "stage": "augment",
    "round": 0,
    "progress": {"done": 12, "total": 40},
    "eta_seconds": None,
    "scores": [
        {
            "round": 0,
            "metric": "accuracy",
            "validation": 0.62,
            "ci95": [0.54, 0.69],
            "promoted": True,
            "reason": "The baseline: there is nothing to compare it with yet.",
        }
    ],
    "cost": {"calls": 96, "usd": 0.21, "tokens": 81200, "retries": 2},
    "last_event": 311,
}
EVENT = (
    "id: 311\nevent: stage\n"
    'data: {"id": 311, "time": 1767225690.4, "name": "augment", "state": "progress", "done": 12, "total": 40}\n\n'
)
PATTERN: dict[str, Any] = {
    "id": "r1-p0",
    "round": 1,
    "name": "Refund taken for exchange",
    "description": "Messages that ask for money back and name another item are sorted as exchanges.",
    "failures": ["validation-17", "validation-52"],
}
STRATEGY: dict[str, Any] = {
    "round": 1,
    "pattern": "r1-p0",
    "title": "Refunds that mention other items",
    "instructions": "Write messages that want money back and compare with another item; vary length and tone.",
}
SAMPLE: dict[str, Any] = {
    "id": "r1-b3-a1-0",
    "prompt": "The blue one fitted better, but just give me my money back.",
    "completion": "refund",
    "round": 1,
    "batch": "r1-b3",
    "origin": "pattern",
    "pattern": "r1-p0",
    "source": None,
    "attempt": 1,
    "verdict": "accepted",
    "reason": "The judge gave its batch 8.7 of 10.",
    "evidence": None,
    "judge": {"adherence": 9, "utility": 8, "relevance": 9},
    "overruled": None,
}
ROW: dict[str, Any] = {"prompt": "Just give me my money back for the blue one.", "completion": "refund"}
ADDED: dict[str, Any] = {
    "id": "person-3f0c1b7e5a9d",
    "sample": SAMPLE
    | ROW
    | {
        "id": "person-3f0c1b7e5a9d",
        "round": 0,
        "batch": "",
        "origin": "person",
        "pattern": None,
        "attempt": 0,
        "verdict": "waiting",
        "reason": "It passed the checks that need no model.",
        "judge": None,
    },
    "next": "The next round of this run checks the row and trains on it, unless the loop ends before.",
}
PREDICTION: dict[str, Any] = {
    "id": "validation-17",
    "text": "exchange",
    "score": {
        "id": "validation-17",
        "value": 0.0,
        "correct": False,
        "explanation": "The label should be 'refund'.",
    },
}
ROUND: dict[str, Any] = {
    "round": 1,
    "metric": "accuracy",
    "validation": 0.71,
    "promoted": True,
    "accepted": 98,
}
LINEAGE: dict[str, Any] = {
    "sample": SAMPLE,
    "pattern": PATTERN,
    "strategy": {key: value for key, value in STRATEGY.items() if key != "round"},
    "source": None,
    "failures": [{"id": name, "outcome": "fixed"} for name in PATTERN["failures"]],
    "outcome": {"fixed": 2, "unmoved": 0, "regressed": 0, "matched": None},
    "next": [],
}
ARTIFACTS: dict[str, Any] = {"items": [{"path": "rounds/1/accepted.jsonl", "bytes": 20480}]}


def page_of(item: dict[str, Any]) -> dict[str, Any]:
    """A last page with one item."""
    return {"items": [item], "next": None}


EVENT_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "text/event-stream": {
                "itemSchema": {
                    "type": "object",
                    "properties": {name: {"type": "string"} for name in ("data", "event", "id")},
                },
                "example": EVENT,
            }
        }
    }
}
"""OpenAPI `responses` of server-sent events, with a schema of each as OpenAPI 3.2 has it (section 4.14.4)."""


def example(value: Any, media_type: str = "application/json") -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` of an operation whose answer looks like this."""
    return {200: {"content": {media_type: {"example": value}}}}
