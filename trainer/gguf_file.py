"""Writes a model folder as one `.gguf` file for llama.cpp and Ollama.

Llama's architecture with a byte-level BPE tokenizer: SmolLM2, Llama 3. The names of tensors and keys, and the
quantisation, are those of llama.cpp's own `gguf` package.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import gguf
import numpy as np
from safetensors import safe_open

from trainer.artifacts import read_json

Quantization = Literal["f16", "q8_0"]
TYPES = {
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
}
LLAMA3_REGEX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
ADVICE = (
    "Supported are models of Llama's architecture with a byte-level BPE tokenizer, such as SmolLM2 and Llama 3. For others, "
    "export with `--to vllm --merged` and convert that folder with llama.cpp's convert_hf_to_gguf.py."
)


class GgufError(Exception):
    """The model cannot be written as a `.gguf` file; the message says what is supported."""


def write_gguf(
    folder: Path, output: Path, quantization: Quantization, *, end_of_reply: int, name: str
) -> None:
    """Write a model folder as a `.gguf` file.

    Args:
        folder: merged model, safetensors and tokenizer.
        output: the file.
        quantization: of the matrices; vectors stay float32.
        end_of_reply: the token at which a reply ends, next to the end of text.
        name: of the model.

    Raises:
        GgufError: another architecture or tokenizer.
        OSError: the file cannot be written.
    """
    config = read_json(folder / "config.json")
    tokenizer = read_json(folder / "tokenizer.json")
    refuse_unsupported(config)
    writer = gguf.GGUFWriter(output, "llama")
    try:
        writer.add_type(gguf.GGUFType.MODEL)
        writer.add_name(name)
        _add_config(writer, config)
        _add_tokenizer(writer, folder, tokenizer, config["vocab_size"], end_of_reply)
        kind, file_type = TYPES[quantization]
        writer.add_file_type(file_type)
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        for tensor, values in _tensors(folder, config):
            _add_tensor(writer, tensor, values, kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()


def refuse_unsupported(config: dict[str, Any]) -> None:
    """Raises GgufError for what the file cannot say, or llama.cpp would compute otherwise."""
    architecture = (config.get("architectures") or ["unknown"])[0]
    rope = (config.get("rope_parameters") or config.get("rope_scaling") or {}).get("rope_type", "default")
    if architecture != "LlamaForCausalLM":
        raise GgufError(f"GGUF cannot be written for the architecture {architecture}. {ADVICE}")
    if rope != "default":
        raise GgufError(f"GGUF cannot be written for rotary embeddings of the type {rope!r}. {ADVICE}")
    if config.get("attention_bias") or config.get("mlp_bias"):
        raise GgufError(f"GGUF cannot be written for a Llama with biases. {ADVICE}")


def _add_config(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    heads = config["num_attention_heads"]
    head = config.get("head_dim") or config["hidden_size"] // heads
    rope = config.get("rope_parameters") or {}
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_dimension_count(head)
    writer.add_rope_freq_base(float(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])


def _add_tokenizer(
    writer: gguf.GGUFWriter, folder: Path, tokenizer: dict[str, Any], size: int, end_of_reply: int
) -> None:
    model = tokenizer["model"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre_tokenizer(tokenizer))
    # embeddings may have more rows than the tokenizer has tokens
    tokens = [f"[PAD{number}]" for number in range(size)]
    types = [gguf.TokenType.UNUSED] * size
    for token, number in model["vocab"].items():
        tokens[number], types[number] = token, gguf.TokenType.NORMAL
    for added in tokenizer["added_tokens"]:
        tokens[added["id"]] = added["content"]
        types[added["id"]] = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    writer.add_token_merges(merges)
    known = {token: number for number, token in enumerate(tokens)}
    names = read_json(folder / "tokenizer_config.json")
    for key, add in (
        ("bos_token", writer.add_bos_token_id),
        ("eos_token", writer.add_eos_token_id),
        ("unk_token", writer.add_unk_token_id),
        ("pad_token", writer.add_pad_token_id),
    ):
        token = names.get(key)
        text = token.get("content") if isinstance(token, dict) else token
        if text in known:
            add(known[text])
    writer.add_eot_token_id(end_of_reply)
    writer.add_add_bos_token(_begins_with(tokenizer, names.get("bos_token")))
    writer.add_add_space_prefix(False)
    template = folder / "chat_template.jinja"
    if template.is_file():
        writer.add_chat_template(template.read_text(encoding="utf-8"))
    elif names.get("chat_template"):
        writer.add_chat_template(names["chat_template"])


def _begins_with(tokenizer: dict[str, Any], token: Any) -> bool:
    """Whether the tokenizer puts this token before a text."""
    text = token.get("content") if isinstance(token, dict) else token
    processor = tokenizer.get("post_processor") or {}
    parts = [processor, *(processor.get("processors") or [])]
    return any(
        (part.get("single") or [{}])[0].get("SpecialToken", {}).get("id") == text
        for part in parts
        if text is not None
    )


def pre_tokenizer(tokenizer: dict[str, Any]) -> str:
    """llama.cpp's name for how a tokenizer cuts a text into words.

    Raises:
        GgufError: none is known.
    """
    outer = tokenizer.get("pre_tokenizer") or {}
    parts = outer.get("pretokenizers") or [outer]
    kinds = [part.get("type") for part in parts]
    if tokenizer["model"].get("type") == "BPE" and not tokenizer.get("normalizer"):
        if kinds == ["ByteLevel"] and parts[0].get("use_regex", True):
            return "gpt-2"
        if kinds == ["Digits", "ByteLevel"] and parts[0].get("individual_digits"):
            return "smollm"
        if kinds == ["Split", "ByteLevel"] and parts[0].get("pattern", {}).get("Regex") == LLAMA3_REGEX:
            return "llama-bpe"
    raise GgufError(f"GGUF cannot be written for this tokenizer ({json.dumps(kinds)}). {ADVICE}")


def _tensors(folder: Path, config: dict[str, Any]) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Name in the file, and values in float32. Heads of queries and keys are in llama.cpp's order."""
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    heads = config["num_attention_heads"]
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as weights:  # numpy has no bfloat16
            for key in weights.keys():  # noqa: SIM118
                values = weights.get_tensor(key).float().numpy()
                name = names.get_name(key, try_suffixes=(".weight",))
                if name is None:
                    raise GgufError(f"GGUF cannot be written: Llama has no tensor {key!r}. {ADVICE}")
                if key == "lm_head.weight" and config.get("tie_word_embeddings"):
                    continue
                if key.endswith("q_proj.weight"):
                    values = permute(values, heads)
                elif key.endswith("k_proj.weight"):
                    values = permute(values, config.get("num_key_value_heads") or heads)
                yield name, values


def permute(values: np.ndarray[Any, Any], heads: int) -> np.ndarray[Any, Any]:
    """Rows of a query or key matrix in the order of llama.cpp's rotary embeddings: pairs next to each other."""
    halves = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))


def _add_tensor(
    writer: gguf.GGUFWriter, name: str, values: np.ndarray[Any, Any], kind: gguf.GGMLQuantizationType
) -> None:
    if values.ndim == 1:
        writer.add_tensor(name, values)
        return
    block = gguf.GGML_QUANT_SIZES[kind][0]
    # rows that no whole blocks fill stay in 16 bits, as in llama.cpp
    used = kind if values.shape[-1] % block == 0 else gguf.GGMLQuantizationType.F16
    writer.add_tensor(name, gguf.quants.quantize(values, used), raw_dtype=used)


@contextmanager
def explained() -> Iterator[None]:
    """Turn a tokenizer or config file that is not there, or lacks a key, into one sentence.

    Raises:
        GgufError: instead.
    """
    try:
        yield
    except (KeyError, FileNotFoundError) as error:
        raise GgufError(
            f"GGUF cannot be written: {error} is missing in the model folder. {ADVICE}"
        ) from error
