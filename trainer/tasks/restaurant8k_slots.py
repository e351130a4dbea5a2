"""RESTAURANTS-8K: the details of a table booking in a customer's message, as a JSON object.

Coope et al. 2020, "Span-ConveRT: Few-shot Span Extraction for Dialog with Pretrained Conversational Representations"
(arXiv 2005.08866). Rows: https://github.com/PolyAI-LDN/task-specific-datasets, `span_extraction/restaurant8k`, CC BY 4.0;
8,198 train and 3,731 test rows. The authors keep no hub repository, so the `datasets` library reads their files.
Validation rows are split off train.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from trainer.records import Example, Prediction
from trainer.tasks.base import Hub
from trainer.tasks.json_fields import JsonFields

SLOTS = ("date", "time", "people", "first_name", "last_name")
FILES = (
    "https://raw.githubusercontent.com/PolyAI-LDN/task-specific-datasets/"
    "57ec275d8078af65b7731c2a98be812d844a6d6b/span_extraction/restaurant8k/"
)
INSTRUCTIONS = (
    f"Extract the booking details from the customer message as a JSON object. Use only the keys {', '.join(SLOTS)}, "
    "copy the values exactly from the message, and leave out keys that are not mentioned."
)


class Restaurant8kSlots(JsonFields):
    """Exact match of the object, and F1 of the slots in the summary."""

    name = "restaurant8k_slots"
    source = "RESTAURANTS-8K, Coope et al. 2020 (arXiv 2005.08866)"
    hub = Hub(path="json", files={"train": f"{FILES}train_0.json", "test": f"{FILES}test.json"})

    def convert(self, row: dict[str, Any]) -> dict[str, Any] | None:
        """The prompt says what the agent asked for. Without it, a bare "13" could be a time or a number of people.

        Rows that name a slot twice are left out, because an object has each key once.
        """
        text, labels = row["userInput"]["text"], row.get("labels") or []
        requested = (row.get("context") or {}).get("requestedSlots") or []
        spans = {label["slot"]: label["valueSpan"] for label in labels}
        if len(spans) < len(labels):
            return None
        slots = {slot: _cut(text, spans[slot]) for slot in SLOTS if slot in spans}
        asked = f"\n\nThe agent asked for: {', '.join(requested)}" if requested else ""
        return {
            "prompt": f"{INSTRUCTIONS}{asked}\n\nMessage: {text}",
            "completion": json.dumps(slots, ensure_ascii=False),
            "text": text,
            "requested_slots": requested,
            "slots": slots,
        }

    def summarize(self, examples: Sequence[Example], predictions: Sequence[Prediction]) -> dict[str, Any]:
        """The summary of `json_fields`, and `macro_f1`: the mean F1 over the slots."""
        summary = super().summarize(examples, predictions)
        rates = [rates["f1"] for rates in summary["fields"].values()]
        return {"macro_f1": sum(rates) / len(rates) if rates else 0.0} | summary


def _cut(text: str, span: dict[str, int | None]) -> str:
    """The text of a span. A span at the start of the text has no `startIndex`."""
    return text[span.get("startIndex") or 0 : span["endIndex"]]
