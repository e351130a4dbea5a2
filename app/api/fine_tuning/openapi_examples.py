"""Examples for the OpenAPI document: one job on one file."""

from __future__ import annotations

from typing import Any

ID = "3f0c1b7e5a9d4c2f8e6b0d1a2c3e4f50"
RUN = "7b1e0c52d94f4a6f8f3b2a1c0d9e8f70"

ROW = '{"messages": [{"role": "user", "content": "Where is parcel %d?"}, {"role": "assistant", "content": "shipping"}]}\n'
FILE: dict[str, Any] = {
    "id": f"file-{ID}",
    "object": "file",
    "bytes": 61200,
    "created_at": 1767225600,
    "expires_at": None,
    "filename": "tickets.jsonl",
    "purpose": "fine-tune",
    "status": "processed",
    "status_details": None,
}
HYPERPARAMETERS: dict[str, Any] = {"n_epochs": 3, "batch_size": "auto", "learning_rate_multiplier": "auto"}
CREATE: dict[str, Any] = {
    "model": "builtin:smollm2-135m",
    "training_file": FILE["id"],
    "method": {"type": "supervised", "supervised": {"hyperparameters": HYPERPARAMETERS}},
    "seed": 7,
}
JOB: dict[str, Any] = {
    "id": f"ftjob-{RUN}",
    "object": "fine_tuning.job",
    "created_at": 1767225600,
    "finished_at": 1767226200,
    "model": "builtin:smollm2-135m",
    "fine_tuned_model": RUN,
    "organization_id": "pada",
    "status": "succeeded",
    "training_file": FILE["id"],
    "validation_file": None,
    "result_files": [f"file-{RUN}"],
    "hyperparameters": HYPERPARAMETERS,
    "method": CREATE["method"],
    "trained_tokens": 5400,
    "error": None,
    "seed": 7,
    "user_provided_suffix": None,
    "estimated_finish": None,
    "integrations": [],
    "metadata": None,
}
EVENT: dict[str, Any] = {
    "id": f"ftevent-{RUN}-12",
    "object": "fine_tuning.job.event",
    "created_at": 1767225690,
    "level": "info",
    "message": "Step 40/60: training loss=0.31",
    "type": "metrics",
    "data": {"step": 40, "steps": 60, "loss": 0.31, "stage": "train"},
}
CHECKPOINT: dict[str, Any] = {
    "id": f"ftckpt-{RUN}-0",
    "object": "fine_tuning.job.checkpoint",
    "created_at": 1767225900,
    "fine_tuned_model_checkpoint": f"{RUN}:baseline",
    "fine_tuning_job_id": f"ftjob-{RUN}",
    "step_number": 60,
    "metrics": {"step": 60, "train_loss": 0.12, "validation": 0.62, "validation_metric": "accuracy"},
}
UPLOAD: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file", "purpose"],
                "additionalProperties": False,
                "properties": {
                    "file": {"type": "string", "format": "binary", "description": "JSONL, UTF-8."},
                    "purpose": {"type": "string", "enum": ["fine-tune"]},
                },
            },
            "example": {"file": "".join(ROW % number for number in range(12)), "purpose": "fine-tune"},
        }
    },
}
"""The body of an upload. It is read only when it is known who sends it, so FastAPI cannot describe it."""


def page_of(item: dict[str, Any]) -> dict[str, Any]:
    """A last page with one item."""
    return {
        "object": "list",
        "data": [item],
        "has_more": False,
        "first_id": item["id"],
        "last_id": item["id"],
    }
