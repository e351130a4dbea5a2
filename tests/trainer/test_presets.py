"""Students by short name."""

from __future__ import annotations

import pytest

from app.cli.students import table
from trainer.presets import PRESETS
from trainer.shape import Shape
from trainer.specs import StudentSpec


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("smollm2-135m", 135), ("smollm2-360m", 362), ("smollm2-1.7b", 1711), ("smollm3-3b", 3075), ("qwen3-0.6b", 596),
        ("qwen3-1.7b", 1721), ("qwen3-4b", 4022), ("gemma3-270m", 268), ("gemma3-1b", 1000), ("llama3.2-1b", 1236),
        ("llama3.2-3b", 3213), ("phi4-mini", 3836),
    ],
)  # fmt: skip
def test_the_sizes_give_the_published_number_of_parameters(name: str, millions: int) -> None:
    assert Shape.of(PRESETS[name].config).parameters / 1e6 == pytest.approx(millions, rel=0.005)


def test_every_preset_is_tried_above() -> None:
    assert len(PRESETS) == 12


def test_a_short_name_stands_for_the_hubs_and_what_its_template_needs() -> None:
    student = StudentSpec(model="qwen3-0.6b")
    assert (student.model, student.template_kwargs) == ("Qwen/Qwen3-0.6B", {"enable_thinking": False})
    assert StudentSpec(model="qwen3-0.6b", template_kwargs={"enable_thinking": True}).template_kwargs == {
        "enable_thinking": True
    }
    assert StudentSpec(model="Qwen/Qwen3-0.6B").template_kwargs == {}
    again = StudentSpec.model_validate_json(student.model_dump_json())
    assert again == student


def test_they_are_listed_with_their_memory() -> None:
    text = table()
    lines = {line.split()[0]: line for line in text.splitlines() if line}
    for name, preset in PRESETS.items():
        assert preset.model in lines[name]
    _, _, _, lora, qlora, full, *_ = lines["qwen3-4b"].split()
    assert float(qlora) < float(lora) < float(full)
    assert "HF_TOKEN" in text
