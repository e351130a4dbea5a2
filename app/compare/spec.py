"""The config of a comparison: a run's config with a section `compare`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from app.config.run_config import RunConfig, explain, parse_config, read_document
from app.errors import ConfigError
from trainer.strict import Strict

VANILLA = "vanilla"
PADA = "pada"

Parse = Callable[[dict[str, Any], str], RunConfig]
"""Reads a run's config; errors begin with the name that is its second argument."""


class Arm(Strict):
    """One method of a comparison."""

    name: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$")
    """Its name in tables and folders."""
    loop: dict[str, Any] = {}
    """The keys of `loop` that differ from the config's."""


class CompareSpec(Strict):
    """The methods and the seeds."""

    methods: list[Arm] = Field(min_length=1)
    """Each is a `loop.method`, or a `name` with the keys of `loop` that differ. `vanilla` is added if it is
    missing."""
    seeds: list[Annotated[int, Field(ge=0, lt=2**32)]] = Field([0], min_length=1)
    """Each method runs once with each seed. The rows are the same for all."""
    training: Literal["equal_steps", "equal_epochs"] = "equal_steps"
    """`equal_steps`: every student, including the baseline, takes the same number of steps: `student.epochs` over
    the largest training set that any method can reach. `equal_epochs`: a method with more rows also takes more
    steps, and may gain by those alone."""
    against: str | None = None
    """The method that all others are compared with, beside `vanilla`. None is `pada`, if there is a method of that name."""

    @field_validator("methods", mode="before")
    @classmethod
    def _plain_methods(cls, value: Any) -> Any:
        if not isinstance(value, list):
            return value
        return [{"name": arm, "loop": {"method": arm}} if isinstance(arm, str) else arm for arm in value]

    @field_validator("methods")
    @classmethod
    def _with_vanilla(cls, value: list[Arm]) -> list[Arm]:
        once_each([arm.name for arm in value])
        if any(arm.name == VANILLA for arm in value):
            return value
        return [Arm(name=VANILLA, loop={"method": VANILLA}), *value]

    @field_validator("seeds")
    @classmethod
    def _different_seeds(cls, value: list[int]) -> list[int]:
        once_each(value)
        return value

    @model_validator(mode="after")
    def _known_reference(self) -> Self:
        names = [arm.name for arm in self.methods]
        if self.against is not None and self.against not in names:
            raise ValueError(
                f"`against: {self.against}` is none of the methods; take one of {', '.join(names)}"
            )
        return self

    @property
    def reference(self) -> str | None:
        """The method that all others are compared with, beside `vanilla`."""
        return self.against or next((arm.name for arm in self.methods if arm.name == PADA), None)


def once_each(values: list[Any]) -> None:
    """Raise ValueError if a value is there more than once."""
    if twice := sorted({value for value in values if values.count(value) > 1}):
        raise ValueError(f"{', '.join(map(str, twice))} is there more than once")


@dataclass(frozen=True)
class Comparison:
    """All runs of a comparison, by method and seed."""

    spec: CompareSpec
    base: RunConfig
    """The config without `compare`; its seed draws the rows."""
    configs: dict[tuple[str, int], RunConfig]
    """(method, seed) -> the run's config."""

    @property
    def last_rounds(self) -> dict[str, int]:
        """Method -> its last round; 0 is the baseline alone."""
        return {name: config.loop.last_round for (name, _), config in self.configs.items()}

    def to_json(self) -> dict[str, Any]:
        """All of it, as `read` takes it."""
        return {
            "compare": self.spec.model_dump(mode="json"),
            "base": self.base.model_dump(mode="json"),
            "methods": {name: config.model_dump(mode="json") for (name, _), config in self.configs.items()},
        }

    @classmethod
    def read(cls, document: dict[str, Any]) -> Self:
        """The comparison that `to_json` made this of."""
        arms = {name: RunConfig.model_validate(config) for name, config in document["methods"].items()}
        spec = CompareSpec.model_validate(document["compare"])
        return cls(spec, RunConfig.model_validate(document["base"]), with_seeds(arms, spec.seeds))

    def steps(self, train_rows: int) -> int | None:
        """Optimizer steps of every student. None with equal epochs."""
        if self.spec.training == "equal_epochs":
            return None
        new = (c.loop.last_round * c.loop.synthetic_per_round for c in self.configs.values())
        return self.base.student.steps_for(train_rows + max(new))


def with_seeds(arms: dict[str, RunConfig], seeds: list[int]) -> dict[tuple[str, int], RunConfig]:
    """The configs of all runs: each method with each seed."""
    return {
        (name, seed): config.model_copy(update={"seed": seed})
        for name, config in arms.items()
        for seed in seeds
    }


def load_comparison(path: Path) -> Comparison:
    """Read a comparison's file.

    Raises:
        ConfigError: the file or a key in it is wrong; the message names the file, the method and the key.
    """
    folder = path.parent.resolve()
    return make_comparison(
        read_document(path), str(path), lambda document, name: parse_config(document, name, folder)
    )


def make_comparison(document: dict[str, Any], name: str, parse: Parse) -> Comparison:
    """The comparison that a document describes; errors begin with `name`.

    Raises:
        ConfigError: a key is wrong; the message names the method and the key.
    """
    run = {key: value for key, value in document.items() if key != "compare"}
    if "compare" not in document:
        raise ConfigError(
            f"{name}: compare: missing; give `compare.methods`, such as [vanilla, random, pada], and `compare.seeds`."
        )
    try:
        spec = CompareSpec.model_validate(document["compare"])
    except ValidationError as error:
        faults = explain(error, section=CompareSpec)
        raise ConfigError("\n".join(f"{name}: compare.{line}" for line in faults)) from None
    base = parse_arm(run, {"method": VANILLA}, name, parse)
    arms = {
        arm.name: parse_arm(run, arm.loop, f"{name}: in method {arm.name}", parse) for arm in spec.methods
    }
    if spec.training == "equal_epochs" and base.student.steps:
        raise ConfigError(
            f"{name}: student.steps: with `compare.training: equal_epochs` give `student.epochs` instead."
        )
    return Comparison(spec, base, with_seeds(arms, spec.seeds))


def parse_arm(document: dict[str, Any], own: dict[str, Any], name: str, parse: Parse) -> RunConfig:
    """A method's config. Without `patience` it goes through all rounds, so that methods have equally many rows."""
    common = document.get("loop") or {}
    loop = {**common, **own} if isinstance(common, dict) else common
    config = parse(document | {"loop": loop}, name)
    if config.loop.review:
        raise ConfigError(f"{name}: loop.review: a comparison does not wait for a review; leave it out.")
    if "patience" not in loop:
        config.loop.patience = config.loop.rounds
    return config
