"""Every number that a user may write has a smallest and a largest value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from app.compare.spec import CompareSpec
from app.config.run_config import RunConfig, parse_config
from app.errors import ConfigError
from trainer.fencing import Fence
from trainer.specs import PredictSpec, TrainSpec


def parts(kind: Any) -> Iterator[Any]:
    """A type and all that it is made of."""
    yield kind
    for part in get_args(kind):
        yield from parts(part)


def numbers(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[tuple[str, FieldInfo]]:
    """The numeric fields of a model, and of the models in it. Fences are no user's."""
    if model in seen:
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        kinds = list(parts(field.annotation))
        # what a chat template takes is the template's own business
        if (int in kinds or float in kinds) and name != "template_kwargs":
            yield f"{model.__name__}.{name}", field
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not Fence:
                yield from numbers(kind, seen)


FIELDS = [
    found for model in (RunConfig, CompareSpec, TrainSpec, PredictSpec) for found in numbers(model, set())
]


def test_there_are_numbers() -> None:
    assert {"LoopSpec.rounds", "StudentSpec.steps", "BudgetSpec.max_usd", "TeacherSpec.timeout_seconds"} <= {
        name for name, _ in FIELDS
    }


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=[name for name, _ in FIELDS])
def test_a_number_has_bounds(name: str, field: FieldInfo) -> None:
    inner = [part for part in parts(field.annotation) if isinstance(part, FieldInfo)]
    bounds = {type(bound) for each in (field, *inner) for bound in each.metadata}
    assert bounds & {Ge, Gt}, f"{name} has no smallest value"
    assert bounds & {Le, Lt}, f"{name} has no largest value"


@pytest.mark.parametrize(
    "document",
    [
        {"seed": 99999999999999999999999},
        {"seed": -1},
        {"student": {"learning_rate": float("inf")}},
        {"student": {"learning_rate": float("nan")}},
        {"student": {"steps": 1_000_000_000_000}},
        {"student": {"max_length": 100_000_000}},
        {"student": {"epochs": 1e300}},
        {"student": {"lora": {"r": 10**9}}},
        {"loop": {"rounds": 1_000_000_000}},
        {"loop": {"synthetic_per_round": True}},
        {"teacher": {"max_concurrency": 10**12}},
        {"budget": {"max_usd": float("inf")}},
    ],
)
def test_an_error_names_the_key(document: dict[str, Any], tmp_path: Any) -> None:
    config = {"task": "exact_match", "data": {"folder": str(tmp_path)}, **document}
    ((section, value),) = document.items()
    while isinstance(value, dict):
        ((key, value),) = value.items()
        section = f"{section}.{key}"
    with pytest.raises((ConfigError, ValidationError), match=section.replace(".", r"\.")):
        parse_config(config, "config", tmp_path)
