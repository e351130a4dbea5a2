"""How much memory a training run takes, before it starts: `python -m trainer.memory SPEC.json|MODEL`. No torch here.

The formula is in docs/guides/trainer.md, "Memory". It counts what autograd keeps for a decoder of attention and MLP layers
(Llama, Qwen, Mistral, Gemma, SmolLM and their like); other architectures get the same sum from their sizes.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainer.shape import Shape
from trainer.specs import StudentSpec, TrainSpec

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Of one number."""

NF4 = 0.516
"""Bytes of a weight in 4 bits with double quantisation: 4 + 8 / 64 + 32 / (64 * 256) bits (arXiv 2305.14314)."""

CONTEXT = {"cuda": 600 * 2**20, "cpu": 350 * 2**20}
"""Bytes that the libraries take beside the tensors: CUDA's context and kernels, or Python with torch loaded."""

SLACK = {"cuda": 1.1, "cpu": 1.4}
"""Times what tensors take: blocks that are cut, and temporaries. The CPU's is measured, with the embedded student."""

PREDICT_ROWS = 64
"""Rows of a batch of predictions, where the student does not say and the device is a CPU."""

MOST_ROWS = 512
"""Rows of such a batch on a large GPU: a step costs little more for them, since its time goes into starting kernels."""

DEFAULT_REPLY = 256
"""Tokens of a reply, where neither the student nor a task says how many."""


@dataclass(frozen=True)
class MemoryEstimate:
    """The parts of the memory that training and predictions take, in bytes."""

    weights: int
    """The base model as it is loaded."""
    adapter: int
    """LoRA matrices."""
    gradients: int
    """The float32 sum, and one backward pass's gradients in the precision of the weights."""
    optimizer: int
    """AdamW's two moments, and float32 masters where the weights are not float32."""
    activations: int
    """What autograd keeps for one micro-batch, the attention mask included, and the largest temporary of a layer."""
    logits: int
    """Logits of one micro-batch: as computed, in float32, their log-softmax, and its gradient."""
    cache: int
    """Keys and values of one batch of predictions."""
    merged: int
    """Weights that a merged student takes in addition while it predicts."""
    context: int
    """The libraries."""
    slack: float = SLACK["cuda"]
    """See `SLACK`."""

    @property
    def training(self) -> int:
        """The largest sum while training."""
        return self.fixed + int(self.slack * (self.activations + self.logits))

    @property
    def prediction(self) -> int:
        """The largest sum while predicting; the optimizer is gone by then."""
        return int(self.slack * (self.weights + self.adapter + self.merged + self.cache)) + self.context

    @property
    def fixed(self) -> int:
        """What training takes however small the micro-batch is."""
        state = self.weights + self.adapter + self.gradients + self.optimizer
        return int(self.slack * state) + self.context

    def parts(self) -> dict[str, int]:
        """By name, with `training` and `prediction`."""
        whole = {name: part for name, part in asdict(self).items() if name != "slack"}
        return whole | {"training": self.training, "prediction": self.prediction}


def estimate(
    config: dict[str, Any],
    student: StudentSpec,
    tokens: int,
    *,
    labels: int | None = None,
    width: int | None = None,
    dtype: str | None = None,
    device: str = "cuda",
    reply: int | None = None,
    parameters: int | None = None,
) -> MemoryEstimate:
    """What a student takes in training and prediction.

    Args:
        config: the model's config.json.
        student: method, adapter, precision, lengths.
        tokens: in one micro-batch, padding included.
        labels: positions with logits; default: half of `tokens`.
        width: length of a sequence in the micro-batch, for the mask; default: one sequence of all `tokens`, or of
            `student.max_length` if that is shorter.
        dtype: of the weights; default: as the student asks, and bfloat16 for `auto`.
        device: `cuda` or `cpu`.
        reply: tokens of a reply; default: the student's, else 256.
        parameters: of the base model, where they are known better than from the config.
    """
    shape = Shape.of(config)
    name = dtype or ("bfloat16" if student.dtype == "auto" else student.dtype)
    size = BYTES[name]
    total = parameters or shape.parameters
    adapter = 0 if student.method == "full" else shape.adapter(student.lora)
    trained = total if student.method == "full" else adapter
    masters = 0 if size == 4 else 4 * trained
    weights = total * size
    if student.method == "qlora":
        weights = int(NF4 * shape.linear + size * (total - shape.linear))
    span = min(tokens, width or student.max_length)
    length = student.max_length + (student.max_new_tokens or reply or DEFAULT_REPLY)
    return MemoryEstimate(
        weights=weights,
        adapter=adapter * size,
        gradients=4 * trained + (0 if size == 4 else size * trained),
        optimizer=8 * trained + masters,
        activations=tokens * shape.saved(size, student, device) + tokens * span * size * shape.layers,
        logits=(tokens // 2 if labels is None else labels) * shape.vocabulary * (size + 12),
        cache=(student.predict_batch_size or PREDICT_ROWS)
        * length
        * shape.cached(4 if device == "cpu" else size),
        merged=_merged(shape, student, total, size, device),
        context=CONTEXT.get(device, CONTEXT["cuda"]),
        slack=SLACK.get(device, SLACK["cuda"]),
    )


def rows_at_once(config: dict[str, Any], student: StudentSpec, memory: int, size: int) -> int:
    """Rows of a batch of predictions on a GPU: a power of two, `PREDICT_ROWS` to `MOST_ROWS`, that fits into half of it.

    Of the whole memory and not of what is free, so that a student's replies do not depend on who else is there.

    Args:
        config: the model's config.json.
        student: lengths.
        memory: bytes of the device.
        size: bytes of a number in the weights' precision.
    """
    shape = Shape.of(config)
    length = student.max_length + (student.max_new_tokens or DEFAULT_REPLY)
    row = length * (shape.cached(size) + shape.passing(size))
    room = memory // 2 - size * shape.parameters
    rows = MOST_ROWS
    while rows > PREDICT_ROWS and rows * row > room:
        rows //= 2
    return rows


def _merged(shape: Shape, student: StudentSpec, total: int, size: int, device: str) -> int:
    """The weights as predictions have them (see `trainer.predict.ready`), in addition to the trained ones."""
    if student.method == "qlora":
        return 0
    wide = device == "cpu" or size == 4
    copied = 0 if size == 4 else total * (4 if wide else size)
    merged = 0 if student.method == "full" or size != 4 else 4 * shape.linear
    return copied + merged


def count_parameters(folder: Path) -> int | None:
    """Parameters in a folder's safetensors files, from their headers; None where there are none."""
    total = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(size))
        for name, tensor in header.items():
            if name != "__metadata__":
                count = 1
                for each in tensor["shape"]:
                    count *= each
                total += count
    return total or None


def available_bytes() -> int:
    """What this process may still take of the host's memory: free, or to be had from caches, and swap.

    A container's limit counts where it is lower.
    """
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in text.splitlines()}
    return min(found["MemAvailable"] + found.get("SwapFree", 0), *_container_bytes())


def _container_bytes(root: Path = Path("/sys/fs/cgroup")) -> list[int]:
    """What a container's limit leaves (cgroup v2); empty where there is none."""
    try:
        limit = (root / "memory.max").read_text(encoding="ascii").strip()
        used = int((root / "memory.current").read_text(encoding="ascii"))
        stat = (root / "memory.stat").read_text(encoding="ascii")
    except (OSError, ValueError):
        return [sys.maxsize]
    if limit == "max":
        return [sys.maxsize]
    cached = {line.split()[0]: int(line.split()[1]) for line in stat.splitlines()}
    return [max(0, int(limit) - used + cached.get("inactive_file", 0))]


def advice(student: StudentSpec) -> str:
    """What to change where a student does not fit, most helpful first."""
    ways = []
    if student.method == "full":
        ways.append("set `student.method: lora`")
    if student.method != "qlora":
        ways.append("set `student.method: qlora` (needs a CUDA GPU)")
    if student.dtype == "float32":
        ways.append("set `student.dtype: bfloat16`")
    ways.append(f"lower `student.max_length` (now {student.max_length:,})")
    return f"{', '.join(ways)}, or use a smaller student"


def gigabytes(number: int) -> str:
    """Bytes as people read them: 1 GB is 10**9 bytes."""
    return f"{number / 1e9:.2f} GB" if number < 1e10 else f"{number / 1e9:.1f} GB"


def describe(found: MemoryEstimate) -> str:
    """The parts, one a line."""
    return "\n".join(f"{name:12} {gigabytes(size):>10}" for name, size in found.parts().items())


def main(arguments: list[str]) -> int:
    """`python -m trainer.memory SPEC.json|MODEL`: the parts of the estimate, on standard output."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m trainer.memory SPEC.json|MODEL\n")
        return 2
    given = Path(arguments[0]).expanduser()
    try:
        student = (
            TrainSpec.model_validate_json(given.read_text(encoding="utf-8")).student
            if given.suffix == ".json"
            else StudentSpec(model=arguments[0])
        )
        config = Path(student.model).expanduser() / "config.json"
        read = json.loads(config.read_text(encoding="utf-8"))
        tokens = (student.micro_batch_size or student.batch_size) * student.max_length
        found = estimate(read, student, tokens, parameters=count_parameters(config.parent))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{arguments[0]}: {error} (give a spec, or a model folder with a config.json)\n")
        return 1
    sys.stdout.write(f"{tokens:,} tokens in a micro-batch, on a GPU\n{describe(found)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
