"""Prompts, and the replies and log-probabilities that transformers alone computes for them."""

from __future__ import annotations

from typing import Any

import torch

from trainer.model import load_model
from trainer.specs import StudentSpec

INSTRUCTION = "Answer with one word, and nothing else. "
QUESTIONS = [
    "What is the capital of France?",
    "Name the colour of snow.",
    "Which animal says moo, lives on a farm, gives milk, and is often seen behind a fence in the country?",
    "What do bees make?",
    "How many legs does a spider have?",
]

PROMPTS = [list(range(5, 9 + 3 * n)) for n in range(6)]
"""Tokens of prompts of growing length with a common beginning."""


def chat_prompts(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    turns = [[{"role": "user", "content": INSTRUCTION + text}] for text in texts]
    return [
        tokenizer(tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True))[
            "input_ids"
        ]
        for turn in turns
    ]


def reference_reply(model: Any, prompt: list[int], limit: int, stops: list[int]) -> tuple[list[int], bool]:
    """Greedy generation by transformers for one row: the tokens without the stop token, and whether the limit cut it off."""
    ids = torch.tensor([prompt])
    output = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=limit,
        do_sample=False,
        eos_token_id=stops,
        pad_token_id=0,
    )
    tokens = output[0, len(prompt) :].tolist()
    stopped = tokens[-1] in stops
    return tokens[:-1] if stopped else tokens, not stopped


def reference_logprob(model: Any, context: list[int], choice: list[int]) -> float:
    """Log-probability of one choice from a single forward pass over context and choice."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([context + choice])).logits[0]
    logprobs = logits.double().log_softmax(-1)
    positions = list(range(len(context) - 1, len(context) - 1 + len(choice)))
    return float(sum(logprobs[positions, choice]))


def with_adapter(student: StudentSpec, dtype: torch.dtype) -> Any:
    """A student whose adapter changes the output: both of its matrices are random."""
    torch.manual_seed(1)
    model = load_model(student, trainable=True, dtype=dtype)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.02)
    return model.requires_grad_(False).eval()
