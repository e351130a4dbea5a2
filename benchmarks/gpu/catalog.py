"""The steps, most valuable first."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One measurement, in a process of its own: module `benchmarks.gpu.steps.<name>`."""

    name: str
    about: str
    limit: float
    """Seconds after which it is killed on a GPU; what it has measured by then stays."""
    needs: tuple[str, ...] = ()
    """Modules without which it is skipped."""
    gpu_only: bool = False


STEPS = (
    Step("machine", "the device, its bf16 peak and its copy bandwidth", 45),
    Step("students", "random weights of the two students and the embedder", 60),
    Step("lora", "LoRA on the 1B shape: tokens/s, MFU, memory, micro-batch, loss against float32", 110),
    Step("trl", "TRL's SFTTrainer at its best on the same rows", 120, ("trl", "datasets")),
    Step("generate", "greedy replies against generate and generate_batch", 110),
    Step("durability", "equal runs from one seed; SIGKILL and resume; forced out-of-memory", 150),
    Step("loop", "a whole `pada run` with a scripted teacher", 170, ("langgraph", "faiss")),
    Step("choices", "choice scoring against a loop over choices", 45),
    Step("small", "LoRA and full fine-tuning of the 135M shape", 60),
    Step("prefix", "LoRA on the 1B shape where prompts share a prefix: packed against padded", 60),
    Step("full", "full fine-tuning of the 1B shape", 60),
    Step("embed", "20,000 texts through the embedding worker", 90),
    Step("qlora", "QLoRA on the 1B shape", 45, ("bitsandbytes",), gpu_only=True),
    Step("cluster", "clustering on the CPU against scikit-learn", 60, ("faiss", "sklearn")),
    Step("compile", "LoRA on the 1B shape with torch.compile", 150),
)

NAMES = tuple(step.name for step in STEPS)
