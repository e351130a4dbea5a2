"""The trainer's contract: a JSON spec in, a JSON report out (written last, atomically).

`python -m trainer.finetune SPEC.json` and `python -m trainer.predict SPEC.json` work by hand too, and so does
`accelerate launch -m trainer.finetune SPEC.json`.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from trainer.fencing import Fence
from trainer.presets import BUILTIN_STUDENTS, PRESETS, refuse_unknown_builtin
from trainer.strict import Address, Name, Strict


class LoraSpec(Strict):
    """Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685)."""

    r: int = Field(16, ge=1, le=4096)
    """Rank of the adapter."""
    alpha: int = Field(32, ge=1, le=65_536)
    """Scale of the adapter: its output is multiplied by alpha / r."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout in front of the adapter."""
    target_modules: str | list[str] = "all-linear"
    """Layers that get an adapter: `all-linear`, or a list of names, also as one text with commas. Not the embeddings of a
    student whose output layer shares them."""

    @field_validator("target_modules")
    @classmethod
    def _list_of_names(cls, value: str | list[str]) -> str | list[str]:
        # any other text is a pattern of the peft library
        if isinstance(value, str) and re.fullmatch(r"[\w.]+(\s*,\s*[\w.]+)+", value.strip()):
            return [name.strip() for name in value.split(",")]
        if not value or (isinstance(value, list) and not all(value)):
            raise ValueError("`all-linear` or the names of layers belong here")
        if isinstance(value, str):
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"no name, and no pattern either: {error}") from None
        return value


EXECUTION = frozenset(
    {
        "num_processes",
        "deterministic",
        "checkpoint_every",
        "micro_batch_size",
        "predict_batch_size",
        "engine",
        "vllm_url",
        "tune",
        "tune_minutes",
    }
)
"""Keys of a student that say how its work is done, not what it is: they may change while a run goes on."""


class StudentSpec(Strict):
    """Which model is trained and how."""

    model: Name = "builtin:smollm2-135m"
    """A local folder (safetensors), a `.gguf` file, a hub name (`owner/name`, or `owner/name@revision`), `builtin:smollm2-135m`,
    or a short name that `pada students` lists."""
    method: Literal["lora", "qlora", "full"] = "lora"
    """`lora`, `qlora` (a 4-bit base: needs a CUDA GPU and the `gpu` extra), or `full` fine-tuning."""
    template: Literal["auto", "chat", "plain"] = "auto"
    """`chat` uses the tokenizer's chat template, `plain` joins prompt and completion, `auto` is chat where there is one."""
    template_kwargs: dict[str, str | int | float | bool | None] = {}
    """Passed to the chat template, such as `enable_thinking: false`."""
    epochs: float = Field(3.0, gt=0, le=10_000)
    """Passes over the training rows."""
    steps: int | None = Field(None, ge=1, le=10_000_000)
    """Optimizer steps of a training, however many rows there are; None is as many as `epochs` takes."""
    learning_rate: float = Field(2e-4, gt=0, le=10)
    """Peak learning rate."""
    tune: Literal["auto", "off"] | None = None
    """`auto` finds learning rate and steps on validation with the baseline, around the given ones, and trains all rounds alike.
    None is `auto` where none of `learning_rate`, `epochs` and `steps` is given, else `off`."""
    tune_minutes: float = Field(30.0, gt=0, le=100_000)
    """Longest time for finding them; one training is done in any case."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the learning rate falls after the warm-up."""
    warmup_ratio: float = Field(0.1, ge=0, lt=1)
    """Share of the steps for warm-up."""
    weight_decay: float = Field(0.0, ge=0, le=100)
    """Decoupled weight decay of AdamW."""
    max_grad_norm: float = Field(1.0, gt=0, le=1_000_000)
    """Gradients are clipped to this norm."""
    batch_size: int = Field(8, ge=1, le=65_536)
    """Rows per optimizer step, over all processes and accumulation steps."""
    micro_batch_size: int | None = Field(None, ge=1, le=65_536)
    """Rows per forward pass of one process; default: the whole share of one process."""
    max_length: int = Field(1024, ge=8, le=1_000_000)
    """Longest row, prompt and completion, in tokens; longer rows are left out and reported."""
    max_new_tokens: int | None = Field(None, ge=1, le=100_000)
    """Longest reply in tokens; default: the task's own."""
    predict_batch_size: int | None = Field(None, ge=1, le=65_536)
    """Rows at once when predicting; default: 64, and on a GPU up to 512, by its size."""
    engine: Literal["auto", "torch", "paged", "vllm"] = "auto"
    """What predicts: our own loop (`torch`), the library's continuous batching (`paged`), or a vLLM server."""
    vllm_url: Address | None = None
    """A vLLM server that runs; None starts one for `engine: vllm`."""
    lora: LoraSpec = LoraSpec()
    """The adapter of `lora` and `qlora`."""
    start_from: Literal["base", "last"] = "base"
    """`base`: each round starts anew from the base model (the paper); `last`: from the last round's adapter."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of the weights. `auto` is bfloat16 where it is fast, float16 with loss scaling on older GPUs, else float32."""
    deterministic: bool = True
    """Equal trainings from one seed, bit by bit, on a GPU too; off is a little faster there."""
    compile: bool = False
    """Train with the decoder's layers through torch.compile: minutes of warm-up first."""
    checkpoint_every: int = Field(50, ge=1, le=10_000_000)
    """Optimizer steps between checkpoints."""
    num_processes: int = Field(1, ge=1, le=1024)
    """Training processes on this host; more than one starts `accelerate launch`."""

    @model_validator(mode="after")
    def _given_settings_win(self) -> Self:
        if self.tune is None:
            given = {"learning_rate", "epochs", "steps"} & self.model_fields_set
            self.tune = "off" if given else "auto"
        return self

    @model_validator(mode="before")
    @classmethod
    def _short_name(cls, value: Any) -> Any:
        """A short name stands for the hub's, with what its template needs; what is given besides wins."""
        preset = PRESETS.get(str(value.get("model"))) if isinstance(value, dict) else None
        if preset is None:
            return value
        return {"template_kwargs": preset.template_kwargs, **value, "model": preset.model}

    @field_validator("model")
    @classmethod
    def _known_builtin(cls, value: str) -> str:
        refuse_unknown_builtin(value, BUILTIN_STUDENTS)
        return value

    @field_validator("template_kwargs")
    @classmethod
    def _leave_what_is_ours(cls, value: dict[str, Any]) -> dict[str, Any]:
        if taken := sorted(
            {"messages", "tools", "add_generation_prompt", "tokenize", "conversation"} & value.keys()
        ):
            raise ValueError(f"`{taken[0]}` is set by pada itself; leave it out")
        return value

    def steps_for(self, rows: int) -> int:
        """Optimizer steps of a training on so many rows."""
        return self.steps or math.ceil(math.ceil(rows / self.batch_size) * self.epochs)


class PredictFile(Strict):
    """One file of rows to predict."""

    name: str
    """Names the file in reports and progress, such as `validation`."""
    rows: Path
    """JSONL of `Example`."""
    output: Path
    """JSONL of `Prediction`, in the order of `rows`; written atomically."""
    unlabeled: bool = False
    """The rows have no answers. Each prediction then says how certain the student is of it."""


class TrainSpec(Strict):
    """One process start: load once, train, predict."""

    task: str
    """Name of the task, or `module:object`; decides how rows are rendered and answered."""
    task_folder: Path | None = None
    """Folder of the module of a task of your own, if it is not on the Python path."""
    student: StudentSpec
    """Which model is trained, and how: the config's `student`."""
    train: list[Path]
    """JSONL files of `Example`, together the training set, in this order."""
    output: Path
    """Folder for `adapter/` (or `model/` when `method` is full), `checkpoints/`, `progress.jsonl` and `report.json`."""
    seed: int = Field(0, ge=0, lt=2**32)
    """Seed of the order of rows, the adapter's initial weights and dropout."""
    adapter: Path | None = None
    """An adapter (or full model folder) to go on from; None starts from the base model."""
    predict: list[PredictFile] = []
    """Files of rows to predict when training is done."""
    fence: Fence | None = None
    """Who may write into the run's folder, where several processes may come to own the run."""


class PredictSpec(Strict):
    """Predictions of a student, trained or not, on some files; of several students of one base, in one process start."""

    task: str
    """Name of the task, or `module:object`; decides how rows are rendered and answered."""
    task_folder: Path | None = None
    """See `TrainSpec.task_folder`."""
    student: StudentSpec
    """Which model answers: the config's `student`."""
    train: list[Path] = []
    """Training rows, from which the task learns its label set; never scored."""
    adapter: Path | None = None
    """What training left: an adapter folder, or a full model folder; None is the base model."""
    adapters: dict[str, Path] = {}
    """File name -> what training left of the student that answers this file, where it is not `adapter`."""
    output: Path
    """Folder for `progress.jsonl` and `report.json`."""
    predict: list[PredictFile] = Field(min_length=1)
    """Files of rows to predict."""
    fence: Fence | None = None
    """See `TrainSpec.fence`."""


class MergeSpec(Strict):
    """A student with its adapter as one plain model folder."""

    student: StudentSpec
    adapter: Path
    """What training left."""
    output: Path
    """The folder to write: safetensors and tokenizer. Its existence means that it is complete."""


class LossPoint(Strict):
    """One line of the loss curve."""

    step: int
    loss: float
    """Mean cross-entropy (nats) over the completion tokens of the global batch."""
    learning_rate: float


class PredictReport(Strict):
    """What a prediction run did."""

    predictions: dict[str, Path] = {}
    rows: int = 0
    generated_tokens: int = 0
    over_long: dict[str, list[str]] = {}
    """File name -> ids of rows longer than `max_length`: they are answered with an empty, truncated prediction."""
    seconds: dict[str, float] = {}
    """`load`, `predict`."""
    device: str = "cpu"
    dtype: str = "float32"
    engine: str = "torch"
    """What predicted: `torch`, `paged` or `vllm`."""


class TrainReport(Strict):
    """What a training run did; its existence means that the work is complete."""

    steps: int
    rows: int
    """Training rows used, over-long ones not counted."""
    over_long: list[str]
    """Ids of training rows that are longer than `max_length`; they were left out."""
    warnings: list[str] = []
    """One sentence for each thing about the rows that keeps the student from what it could learn."""
    loss: list[LossPoint]
    artifact: Path
    """The adapter folder, or the model folder for full fine-tuning."""
    trainable_parameters: int
    completion_tokens: int
    """Label tokens seen in all epochs."""
    samples_per_second: float
    micro_batch_size: int
    accumulation: int
    num_processes: int
    out_of_memory: list[str] = []
    """One sentence for each time that the micro-batch was halved."""
    skipped: list[int] = []
    """Steps whose gradient overflowed float16: the weights stayed, and the loss scale was halved."""
    resumed_from: list[int] = []
    """Steps at which training went on after an interruption."""
    memory: dict[str, int] = {}
    """Bytes: the parts of `trainer.memory.MemoryEstimate` with their sums `training` and `prediction`, what was
    `available` before the student was loaded, and the `peak` of training."""
    predict: PredictReport
    seconds: dict[str, float]
    """`load`, `train`, `predict`; `compile`, where layers were compiled."""
    device: str
    dtype: str
