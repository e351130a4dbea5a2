"""Whether a config asks for what its task can do."""

from __future__ import annotations

import difflib

from app.config.run_config import RunConfig
from app.errors import ConfigError
from trainer.tasks import Task


def refuse_unknown_labels(config: RunConfig, task: Task) -> None:
    """Raises ConfigError where `label_descriptions` has a label that no train row has."""
    labels = task.answer_facts().labels
    for label in config.label_descriptions:
        if not labels:
            raise ConfigError(f"label_descriptions: answers of {config.task} are no labels; leave it out.")
        if label not in labels:
            near = difflib.get_close_matches(label, labels, n=1)
            hint = (
                f"did you mean {near[0]!r}?"
                if near
                else f"they have {', '.join(map(repr, list(labels)[:20]))}."
            )
            raise ConfigError(f"label_descriptions: no train row has the label {label!r}; {hint}")


def refuse_scoring_new_rows(config: RunConfig) -> None:
    """Raises ConfigError where the config asks to score answers to new rows. The task of the config can't do that."""
    asked = {"oversample": (config.loop.oversample or 1) > 1, "qc_blind": config.loop.qc_blind > 0}
    for key in (key for key, wanted in asked.items() if wanted):
        raise ConfigError(f"loop.{key}: {config.task} cannot score answers to new rows; leave it out.")
