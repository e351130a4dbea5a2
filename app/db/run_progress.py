"""What a poll of a run is answered with, folded from its events: small, whatever the run has done."""

from __future__ import annotations

from typing import Any

from app.engine.events import Event

View = dict[str, Any]
"""`stage`, `round`, `progress` {done, total}, `eta_seconds`, `trainer`, `scores` [...], `cost`, `stage_seconds`, `detectable`, `review` (the event)."""


def fold(view: View, event: Event) -> View:
    """The view after one more event."""
    match event:
        case {"type": "stage", "state": "started", "name": name}:
            return view | {"stage": name, "progress": None, "eta_seconds": None, "trainer": None}
        case {"type": "stage", "state": "progress"}:
            return view | {"progress": {"done": event["done"], "total": event["total"]}}
        case {"type": "stage", "state": "done", "name": name, "seconds": seconds}:
            known = view.get("stage_seconds", {})
            taken = known | {name: round(known.get(name, 0.0) + seconds, 3)}
            return view | {
                "progress": {"done": event["done"], "total": event["total"]},
                "stage_seconds": taken,
            }
        case {"type": "trainer"}:
            progress = {"done": event.get("step", 0), "total": event.get("steps", 0)}
            return view | {
                "trainer": told(event),
                "progress": progress,
                "eta_seconds": event.get("eta_seconds"),
            }
        case {"type": "score"}:
            score = {
                key: event[key] for key in ("round", "metric", "validation", "ci95", "promoted", "reason")
            }
            others = [known for known in view.get("scores", []) if known["round"] != score["round"]]
            return view | {"scores": [*others, score], "round": event["round"]}
        case {"type": "spent"}:
            return view | {"cost": {key: event[key] for key in ("calls", "usd", "tokens", "retries")}}
        case {"type": "power"}:
            return view | {"detectable": {key: event[key] for key in ("value", "n", "power")}}
        case {"type": "review"}:
            return view | {"review": told(event)}
    return view


def told(event: Event) -> dict[str, Any]:
    """What an event says, without its number, kind and time."""
    return {key: value for key, value in event.items() if key not in ("id", "type", "time")}
