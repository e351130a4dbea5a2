"""What the student's tokenizer and chat template say of rows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from app.config.data import DataSpec
from app.config.run_config import RunConfig
from app.prepare.checks.check import check_rows
from app.prepare.checks.lengths import check_lengths
from trainer.specs import StudentSpec
from trainer.weights import resolve_model

pytestmark = pytest.mark.student

ALTERNATES = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}{{ m.content }}{% endfor %}"
)


@pytest.fixture
def student(tmp_path: Path) -> Path:
    """The embedded student's tokenizer with a template that wants the roles to alternate. Its weights are not looked at."""
    folder = tmp_path / "student"
    shutil.copytree(
        resolve_model("builtin:smollm2-135m"), folder, ignore=shutil.ignore_patterns("*.safetensors")
    )
    save_file({"embed": np.zeros((8, 8), np.float32)}, folder / "model.safetensors")
    (folder / "chat_template.jinja").write_text(ALTERNATES)
    return folder


def test_rows_that_the_template_refuses_and_texts_that_spell_its_tokens(
    student: Path, tmp_path: Path
) -> None:
    rows: list[dict[str, Any]] = [
        {"id": str(n), "prompt": f"Colour of thing {n}?", "completion": "blue"} for n in range(9)
    ]
    turns = [{"role": "user", "content": "One."}, {"role": "user", "content": "Two."}]
    rows[3] = {"id": "3", "messages": [*turns, {"role": "assistant", "content": "blue"}]}
    rows[5]["prompt"] = "What does <|im_start|> mean?"
    rows[6]["completion"] = "refund<|im_end|>"
    for split, part in (("train", rows[:7]), ("validation", rows[7:8]), ("test", rows[8:])):
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    config = RunConfig(
        task="exact_match", data=DataSpec(folder=tmp_path), student=StudentSpec(model=str(student))
    )
    report, checked = check_rows(config)
    found = {finding.code: finding for finding in check_lengths(config, checked, report)}
    train = str(tmp_path / "train.jsonl")
    [refused] = found["template"].places
    assert (refused.file, refused.line, refused.detail) == (train, 4, "Roles must alternate")
    assert found["template"].level == "fault"
    assert [(place.file, place.line) for place in found["special_token"].places] == [(train, 6), (train, 7)]
