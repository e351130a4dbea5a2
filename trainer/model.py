"""Loads the student: tokenizer, weights and adapter."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from peft.tuners.tuners_utils import BaseTunerLayer
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from trainer.attention import attend_without_plans
from trainer.conversion import explain_failures
from trainer.precision import pick_device, pick_dtype
from trainer.specs import StudentSpec
from trainer.weights import ModelError, checked_folder, read_config, resolve_model


def load_tokenizer(student: StudentSpec) -> Any:
    """The student's tokenizer; a missing padding token becomes the end-of-text token.

    Raises:
        ModelError: it is not there or cannot be read.
    """
    source = resolve_model(student.model, weights=False)
    with explain_failures(student.model, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    _refuse_unknown_tokens(tokenizer, read_config(source), student.model)
    return tokenizer


def _refuse_unknown_tokens(tokenizer: Any, config: dict[str, Any], name: str) -> None:
    """Refuse a tokenizer with tokens for which the model has no embedding, which would end in an IndexError."""
    rows = (config.get("text_config") or config).get("vocab_size")
    last = max(tokenizer.get_vocab().values(), default=-1)
    if rows is not None and last >= rows:
        raise ModelError(
            f"The tokenizer of {name!r} has a token {last:,}, and the model's embeddings end at {rows - 1:,}: they do not belong "
            "together. Use the model's own tokenizer, or enlarge its embeddings (`resize_token_embeddings`) and save it."
        )


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
    attend_without_plans(device)
    if student.method == "qlora":
        _require_qlora(device)
    dtype = dtype or pick_dtype(student, device)
    model = _load_weights(student, adapter, device, dtype)
    if student.method != "full" and (adapter is not None or trainable):
        model = _with_adapter(model, student, adapter, trainable)
    if not trainable:
        model.requires_grad_(False).eval()
    return model.train(trainable)


def _require_qlora(device: torch.device) -> None:
    if device.type != "cuda" or importlib.util.find_spec("bitsandbytes") is None:
        raise ModelError(
            "QLoRA needs a CUDA GPU and bitsandbytes (`pip install 'pada[gpu]'`); the device here is "
            f"{device.type}. Use `method: lora`."
        )


def _load_weights(
    student: StudentSpec, adapter: Path | None, device: torch.device, dtype: torch.dtype
) -> Any:
    source = resolve_model(student.model)
    if student.method == "full" and adapter is not None:
        source = checked_folder(adapter)
    quantization = None
    if student.method == "qlora":
        quantization = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype,
        )
    with explain_failures(str(source), "weights"):
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
        return add_adapter(model, adapter, trainable=trainable)
    lora = student.lora
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
        task_type="CAUSAL_LM",
    )
    with explain_failures(student.model, "new adapter"):
        # the adapter keeps the weights' dtype, because the optimizer holds float32 copies
        adapted = get_peft_model(model, config, autocast_adapter_dtype=False)
    _refuse_tied(adapted, student)
    return adapted


def _refuse_tied(model: PeftModel, student: StudentSpec) -> None:
    """Refuse an adapter on weights that two layers share: merged, it would change the other layer too."""
    base = model.get_base_model()
    layers = [
        layer for layer in (base.get_input_embeddings(), base.get_output_embeddings()) if layer is not None
    ]
    if len({id(layer.weight) for layer in layers}) < len(layers) and any(
        isinstance(layer, BaseTunerLayer) for layer in layers
    ):
        raise ModelError(
            f"student.lora.target_modules: {student.model!r} uses its embeddings as its output layer too, so an adapter on "
            "one would change both. Leave `lm_head` and `embed_tokens` out."
        )


def add_adapter(model: Any, adapter: Path, *, trainable: bool = False, name: str = "default") -> Any:
    """The model with a trained adapter, which is active from now on. A model may have several, by name.

    Raises:
        ModelError: the adapter is missing or unreadable.
    """
    if not (adapter / "adapter_model.safetensors").is_file():
        raise ModelError(f"The adapter folder {adapter} has no adapter_model.safetensors.")
    options = {"adapter_name": name, "is_trainable": trainable, "autocast_adapter_dtype": False}
    with explain_failures(str(adapter), "adapter"):
        if not isinstance(model, PeftModel):
            return PeftModel.from_pretrained(model, adapter, **options)
        model.load_adapter(adapter, **options)
        model.set_adapter(name)
        return model


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
