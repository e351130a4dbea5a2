"""What is compared: a run's config with a section `compare`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from app.config import RunConfig, explain, parse_config, read_document
from app.errors import ConfigError
from trainer.specs import Strict

VANILLA = "vanilla"


class Arm(Strict):
    """One method of a comparison."""

    name: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$")
    """Names it in tables and folders."""
    loop: dict[str, Any] = {}
    """What it has different in the config's `loop`."""


class CompareSpec(Strict):
    """The methods and the seeds."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    methods: list[Arm] = Field(min_length=1)
    """Each a `loop.method`, or a `name` and what `loop` has different. `vanilla` is always among them."""
    seeds: list[int] = Field([0], min_length=1)
    """Each method runs once with each; the rows are the same for all."""

    @field_validator("methods", mode="before")
    @classmethod
    def _plain_methods(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return [{"name": arm, "loop": {"method": arm}} if isinstance(arm, str) else arm for arm in value]

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        if all(arm.name != VANILLA for arm in self.methods):
            self.methods.insert(0, Arm(name=VANILLA, loop={"method": VANILLA}))
        for what, names in (("methods", [a.name for a in self.methods]), ("seeds", [*map(str, self.seeds)])):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{what}: {', '.join(twice)} is there more than once")
        return self


@dataclass(frozen=True)
class Comparison:
    """All runs of a comparison, by method and seed."""

    spec: CompareSpec
    base: RunConfig
    """The config without `compare`; its seed draws the rows."""
    configs: dict[tuple[str, int], RunConfig]
    """(method, seed) -> the run's config."""


def load_comparison(path: Path) -> Comparison:
    """Read a comparison's file.

    Raises:
        ConfigError: the file or a key in it is wrong; the message names the file, the method and the key.
    """
    document = read_document(path)
    if "compare" not in document:
        raise ConfigError(
            f"{path}: compare: missing; give `compare.methods`, such as [vanilla, random, pada], and `compare.seeds`."
        )
    try:
        spec = CompareSpec.model_validate(document.pop("compare"))
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path}: compare.{line}" for line in explain(error))) from None
    loop, base = document.get("loop") or {}, path.parent.resolve()
    configs = {
        (arm.name, seed): parse_config(
            document | {"loop": {**loop, **arm.loop}, "seed": seed},
            f"{path}: in method {arm.name}",
            base,
        )
        for arm in spec.methods
        for seed in spec.seeds
    }
    for (name, _), config in configs.items():
        if config.loop.review:
            raise ConfigError(
                f"{path}: in method {name}: loop.review: a comparison waits for nobody; leave it out."
            )
    vanilla = parse_config(document | {"loop": {**loop, "method": VANILLA}}, str(path), base)
    return Comparison(spec, vanilla, configs)
