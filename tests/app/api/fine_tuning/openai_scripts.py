"""Scripts for OpenAI's API: that of the guide, and one in the manner of OpenAI's cookbook."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
PLACES = {
    "address": "http://127.0.0.1:8300/v1",
    "key": "pada_...",
    "model": '"HuggingFaceTB/SmolLM2-135M-Instruct"',
    "hyperparameters": '{"n_epochs": 3}',
    "wait": "sleep(5",
}
"""What the script of the guide has in the places that a test changes."""
COOKBOOK = """
import json, time
from openai import OpenAI

client = OpenAI()

def upload(name):
    with open(name, "rb") as file:
        return client.files.create(file=file, purpose="fine-tune").id

job = client.fine_tuning.jobs.create(
    training_file=upload("train.jsonl"),
    validation_file=upload("validation.jsonl"),
    model="gpt-4o-mini-2024-07-18",
    hyperparameters={"n_epochs": 2},
    suffix="requests",
)
while client.fine_tuning.jobs.retrieve(job.id).status not in ("succeeded", "failed", "cancelled"):
    time.sleep(0.2)
events = client.fine_tuning.jobs.list_events(job.id).data
events.reverse()
for event in events:
    print(event.message)
model = client.fine_tuning.jobs.retrieve(job.id).fine_tuned_model
print(model)
with open("validation.jsonl") as file:
    messages = json.loads(file.readline())["messages"]
reply = client.chat.completions.create(model=model, messages=messages[:-1], temperature=0, max_tokens=100)
print(repr(reply.choices[0].message.content))
"""
"""What a script for OpenAI does, with one of its models."""


def script_of_the_guide(**changes: str) -> str:
    """The first script of the guide, with other texts in some places."""
    page = (ROOT / "docs/guides/openai.md").read_text(encoding="utf-8")
    script = page.partition("```python\n")[2].partition("```")[0]
    for name, other in changes.items():
        found = PLACES[name]
        assert found in script
        script = script.replace(found, other)
    return script
