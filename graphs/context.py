"""Caps, thresholds and model names of a run: plain data, so that Studio can show it as a form."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from graphs.methods import GUIDANCE, Guidance, Method, Origin, Source
from trainer.specs import StudentSpec
from trainer.strict import Name, Strict

Promote = Literal["better", "later", "significant"]
"""When a round's student takes the place of the best one."""
Reviewed = Literal["patterns", "rows"]
"""What a person can review: the patterns with their strategies, or the rows."""
MAX_DESCRIPTION = 20_000
"""Characters of the description of a task, and of those of its labels together."""


class LoopSpec(Strict):
    """How the loop runs."""

    method: Method = "pada"
    """What new rows are written for; `vanilla` is fine-tuning on the given rows alone."""
    patterns: bool = True
    """Write rows for failure patterns; false is the paper's ablation of `pada`."""
    train_errors: bool = True
    """Write rows for training errors; false is the paper's ablation of `pada`."""
    qc: bool = True
    """Judge the rows; false is the paper's ablation (the free checks stay on)."""
    rounds: int = Field(3, ge=1, le=1000)
    """Rounds of new rows after the baseline."""
    synthetic_per_round: int = Field(100, ge=1, le=1_000_000)
    """Accepted rows asked for in each round."""
    pattern_share: float = Field(0.5, ge=0, le=1)
    """Share of the rows that is written for patterns; the rest is for training errors."""
    rows_per_error: int | None = Field(3, ge=1, le=1_000_000)
    """Maximum rows that a round writes for one training error while there are patterns, which get what is left; None has no such
    bound (the paper). A well-trained student has few training errors, and half of a round for three of them teaches little."""
    cases: bool = True
    """Write each batch for one analysed failure of its pattern; false writes for the pattern as a whole (the paper)."""
    explore_share: float = Field(0.0, ge=0, le=1)
    """Share of the rows that `pada` writes for no failure: half for the answers that train has least of, half at random."""
    sources: dict[Source, Annotated[float, Field(gt=0, le=1)]] | None = None
    """Where the prompts of a round's rows come from, with shares that add up to 1: `generated`, and `unlabeled`, which are rows
    of `data.unlabeled` that the teacher answers. A list gives equal shares. None is both where `pada` has `data.unlabeled`."""
    oversample: float | None = Field(None, ge=1, le=10)
    """Generated rows asked for, for each that is kept; above 1 the student answers them, and what it gets wrong is kept first. None
    is 4 for `pada` and 1 for other methods, and 1 for a task that cannot score a new row (the paper)."""
    selection: Literal["medoids", "wrong"] = "medoids"
    """Which of the rows that the student gets wrong are kept: the `medoids` of their clusters, or any, in the order of the plan."""
    samples_per_batch: int = Field(5, ge=1, le=50)
    """Rows asked for in one call of the teacher."""
    qc_threshold: float = Field(7.0, ge=1, le=10)
    """Lowest mean of the judge's three scores with which a batch passes. Under it the rows go back that the judge names, or all."""
    qc_blind: int = Field(0, ge=0, le=3)
    """Votes by blind answers: so many times the judge answers each new prompt without seeing the row's answer. Where not more than
    half of the votes agree with the row, by the task's metric, it goes back. 0 does without."""
    unjudged: Literal["drop", "keep"] = "drop"
    """What becomes of rows about which the judge cannot answer."""
    max_attempts: int = Field(3, ge=1, le=100)
    """How often one batch may be asked for."""
    patience: int = Field(2, ge=1, le=1000)
    """Rounds without promotion after which the loop stops."""
    promote: Promote = "later"
    """`better`: a higher score and nothing that shows a regression; `later`: the same over the baseline, and over a later student a
    score not more than one standard error lower, as it has more rows; `significant`: the 95 % interval excludes 0."""
    review: Literal[False, True, "patterns", "rows"] = False
    """Wait for a person: `patterns` before rows are written for them, `rows` before they are trained on, true both."""
    max_analyses: int = Field(200, ge=1, le=1_000_000)
    """Maximum validation failures analysed in a round: a seeded sample, stratified."""
    max_train_failures: int = Field(200, ge=1, le=1_000_000)
    """Maximum training rows predicted in a round to find training errors: a seeded sample."""
    max_patterns: int = Field(10, ge=1, le=10_000)
    """Maximum failure patterns in a round. The elbow of the inertia does not depend on it."""
    errors_per_pattern: float | None = Field(None, ge=1, le=1_000_000)
    """Analysed errors to a pattern, on average; None lets the elbow of the inertia choose (the paper)."""
    min_cluster_errors: int = Field(8, ge=2, le=1_000_000)
    """With fewer analysed errors than this there is one pattern."""
    members_near: int = Field(6, ge=1, le=1000)
    """Analyses nearest to the centre that name a pattern."""
    members_far: int = Field(3, ge=0, le=1000)
    """Analyses far from the centre that widen it."""
    examples_per_prompt: int = Field(6, ge=0, le=1000)
    """Training rows shown to the writer, the nearest to the pattern or the error."""
    pattern_floor: int = Field(2, ge=0, le=1_000_000)
    """Fewest rows that a pattern gets in a round, if the budget allows."""
    near_duplicate: float = Field(0.7, gt=0, le=1)
    """Word 3-gram overlap (Jaccard) from which two prompts with the same answer are near duplicates."""
    leak_overlap: float = Field(0.7, gt=0, le=1)
    """Share of a validation or test row's word 5-grams from which a row that has them counts as leaked."""
    leak_similarity: float = Field(0.97, gt=0, le=1)
    """Cosine of embeddings from which a row counts as leaked from validation or test."""

    @field_validator("sources", mode="before")
    @classmethod
    def _known_sources(cls, value: Any) -> Any:
        return None if value is None else source_shares(value)

    @model_validator(mode="after")
    def _sources_fit_the_method(self) -> Self:
        if self.sources and not self.guidance.takes_sources:
            raise ValueError(
                f"`sources` is for `method: pada` and `random`, not for `{self.method}`"
                f"{', which takes unlabelled rows alone' if self.method == 'active' else ''}; leave it out"
            )
        return self

    @model_validator(mode="after")
    def _ablations_leave_something(self) -> Self:
        if self.method != "pada" and not (self.patterns and self.train_errors):
            raise ValueError(
                f"`patterns: false` and `train_errors: false` are ablations of `method: pada`, not of `{self.method}`"
            )
        if not (self.patterns or self.train_errors):
            raise ValueError("without patterns and training errors nothing is written; use `method: random`")
        return self

    @property
    def guidance(self) -> Guidance:
        """What guides the writer."""
        return GUIDANCE[self.method]

    @property
    def origins(self) -> tuple[Origin, ...]:
        """What rows are written for: all that the method has, less what an ablation leaves out."""
        kept = {"pattern": self.patterns, "train_error": self.train_errors}
        own = tuple(origin for origin in self.guidance.origins if kept.get(origin, True))
        return (*own, "unlabeled") if "unlabeled" in (self.sources or {}) else own

    @property
    def unlabeled_per_round(self) -> int:
        """Rows of a round whose prompts are those of `data.unlabeled`."""
        share = 1.0 if self.method == "active" else (self.sources or {}).get("unlabeled", 0.0)
        return round(self.synthetic_per_round * share)

    @property
    def generates(self) -> bool:
        """Whether a teacher writes prompts of new rows."""
        return self.method != "active" and "generated" in (self.sources or {"generated": 1.0})

    def generated_for(self, rows: int, scorable: bool) -> int:
        """Rows to have written, of which so many are kept.

        Args:
            scorable: whether the task can score the student's answer to a new row.
        """
        by_default = self.guidance.oversample if scorable else 1.0
        return math.ceil(rows * (self.oversample or by_default))

    def asked_per_round(self, scorable: bool) -> int:
        """Rows asked for in each round, of which `synthetic_per_round` are kept.

        Args:
            scorable: whether the task can score the student's answer to a new row.
        """
        unlabeled = self.unlabeled_per_round
        return unlabeled + self.generated_for(self.synthetic_per_round - unlabeled, scorable)

    def chooses_rows(self, scorable: bool) -> bool:
        """Whether a round asks for more rows than it keeps, and the student's answers choose among them.

        Args:
            scorable: whether the task can score the student's answer to a new row.
        """
        return self.asked_per_round(scorable) > self.synthetic_per_round

    @property
    def last_round(self) -> int:
        """The number of the last round; 0 is the baseline alone."""
        return self.rounds if self.origins else 0

    def asks_about(self, subject: Reviewed) -> bool:
        """Whether the run waits for a person to review this."""
        return self.review is True or self.review == subject


def source_shares(value: Any) -> dict[str, float]:
    """The shares that `loop.sources` means.

    Raises:
        ValueError: it says what the mistake is and what to write.
    """
    form = "write a list, such as `[generated, unlabeled]`, or shares, such as `{generated: 0.7, unlabeled: 0.3}`"
    if isinstance(value, str) or not isinstance(value, list | tuple | dict) or not value:
        raise ValueError(form)
    known = get_args(Source)
    for name in value:
        if name not in known:
            raise ValueError(f"{name!r} is none of the sources {' and '.join(known)}; {form}")
    if not isinstance(value, dict):
        if len(set(value)) < len(value):
            raise ValueError("a source is there twice; for other shares than equal ones " + form)
        return {name: 1 / len(value) for name in value}
    if not all(
        isinstance(share, int | float) and not isinstance(share, bool) and share > 0
        for share in value.values()
    ):
        raise ValueError("each share is a number above 0; leave out a source that gives no rows")
    if not math.isclose(total := math.fsum(value.values()), 1.0, abs_tol=1e-6):
        raise ValueError(f"the shares add up to {total:g}, and have to add up to 1")
    return value


class Context(Strict):
    """What the nodes may read of the configuration."""

    task: Name = "exact_match"
    """Name of a task, or `module:Class` of your own."""
    task_description: str | None = Field(None, max_length=MAX_DESCRIPTION)
    """What the task is, for the teacher: the input, the answer and its rules. A text, or `{file: PATH}`. Without it the teacher
    drafts one from train rows."""
    label_descriptions: dict[str, str] = {}
    """Label -> what it means, for the teacher. Not every label needs one; together at most 20,000 characters."""
    student: StudentSpec = StudentSpec()
    """Which model is trained, and how."""
    evaluate_untrained: bool = True
    """At the end, also score the student before any fine-tuning on the test rows."""
    evaluate_teacher: Literal[False, True, "test"] = False
    """Also have the teacher answer the validation rows, without seeing their answers, and score it: a ceiling. `test`: the test rows
    too, which no teacher sees otherwise."""
    loop: LoopSpec = LoopSpec()
    """How the loop runs."""
    seed: int = Field(0, ge=0, lt=2**32)
    """The same seed, rows and answers give the same run."""

    @field_validator("label_descriptions")
    @classmethod
    def _short_enough_for_every_call(cls, value: dict[str, str]) -> dict[str, str]:
        characters = sum(map(len, (*value, *value.values())))
        if characters > MAX_DESCRIPTION:
            raise ValueError(
                f"at most {MAX_DESCRIPTION:,} characters together, not {characters:,}: every call carries them"
            )
        return value
