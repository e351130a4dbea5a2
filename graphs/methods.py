"""The methods. They are variants of one graph that differ in what new rows are written for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Origin = Literal["pattern", "train_error", "train_row", "task", "explore", "unlabeled", "person"]
"""What a row was written for: a failure pattern, a training error, a training row to reword, the task in general, or, beside
patterns, rows of the task that no failure asked for. `unlabeled`: its prompt is real, of `data.unlabeled`. `person`: a
person added it."""

Source = Literal["generated", "unlabeled"]
"""Where prompts of new rows come from: a teacher writes them, or they are those of `data.unlabeled`."""

Method = Literal[
    "pada",
    "vanilla",
    "random",
    "auggpt",
    "llms_as_instructors",
    "llms_as_instructors_contrast",
    "llm2llm",
    "active",
]


@dataclass(frozen=True)
class Guidance:
    """What guides the writer."""

    origins: tuple[Origin, ...] = ()
    """What rows are written for. If empty, there is no loop."""
    one_each: bool = False
    """At most one row per round for each training error."""
    contrast: bool = False
    """Also show the writer the nearest training rows that the student gets right."""
    oversample: float = 1.0
    """Rows asked for, for each that is kept, where the configuration does not say."""

    @property
    def takes_sources(self) -> bool:
        """Whether `loop.sources` may say where its prompts come from: it must be able to write rows, for no given row."""
        return bool({"pattern", "task"} & set(self.origins))


GUIDANCE: dict[Method, Guidance] = {
    "pada": Guidance(("pattern", "train_error"), oversample=4.0),
    "vanilla": Guidance(),
    "random": Guidance(("task",)),
    "auggpt": Guidance(("train_row",)),
    "llms_as_instructors": Guidance(("train_error",)),
    "llms_as_instructors_contrast": Guidance(("train_error",), contrast=True),
    "llm2llm": Guidance(("train_error",), one_each=True),
    "active": Guidance(("unlabeled",)),
}
"""AugGPT: Dai et al. 2023 (arXiv 2302.13007). LLMs-as-Instructors, "learning from error" and "learning from error by contrast":
Ying et al. 2024 (arXiv 2407.00497). LLM2LLM: Lee et al. 2024 (arXiv 2403.15042). docs/concepts/methods.md lists the differences."""
