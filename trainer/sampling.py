"""The tokens of one reply, one by one, for an answer that is read while it is written.

`trainer.decoding` answers many prompts at once, greedily; here one prompt is answered the same way or by sampling.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache

from trainer.decoding import SlotLayer, require_full_attention
from trainer.head import logits_at
from trainer.json_grammar import JsonGrammar
from trainer.steps import BLOCK

GREEDY = 1e-4
"""Temperature under which sampling is the likeliest token, and a division would overflow."""


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen. See `trainer.serving.Question`."""

    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    top_logprobs: int | None = None


@dataclass(frozen=True)
class Chosen:
    """One token, with log-probabilities (nats) where they were asked for."""

    token: int
    logprob: float = 0.0
    top: tuple[tuple[int, float], ...] = ()


@torch.inference_mode()
def reply_tokens(
    model: Any, prompt: list[int], limit: int, sampling: Sampling, grammar: JsonGrammar | None = None
) -> Iterator[Chosen]:
    """The tokens that follow a prompt, up to `limit`. The caller stops at a stop token.

    Args:
        model: a causal language model with full attention, in evaluation mode.
        prompt: at least one token.
        grammar: what the reply must follow.

    Raises:
        ModelError: the model's attention does not reach over prompt and reply.
        SchemaError: the grammar has become too large.
    """
    end = len(prompt)
    require_full_attention(model, end + limit)
    room = -(-(end + limit) // BLOCK) * BLOCK
    layers = model.config.get_text_config().num_hidden_layers
    cache = Cache(layers=[SlotLayer(room) for _ in range(layers)])
    mask = torch.ones(1, room, dtype=torch.long, device=model.device)
    positions = torch.arange(room, device=model.device)[None]
    generator = torch.Generator()
    if sampling.seed is None:
        generator.seed()
    else:
        generator.manual_seed(sampling.seed)
    tokens = torch.tensor([prompt], device=model.device)
    for _ in range(limit):
        start = end - tokens.shape[1]
        with logits_at(model, torch.tensor([tokens.shape[1] - 1], device=model.device)):
            logits = model(
                input_ids=tokens,
                attention_mask=mask[:, :end],
                position_ids=positions[:, start:end],
                past_key_values=cache,
                use_cache=True,
            ).logits[0]
        chosen = choose(logits if grammar is None else grammar.allowed(logits), sampling, generator)
        yield chosen
        if grammar is not None:
            grammar.take(chosen.token)
        tokens = torch.tensor([[chosen.token]], device=model.device)
        end += 1


def choose(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> Chosen:
    """One token by its logits, shape (vocabulary,)."""
    token = int(logits.argmax()) if sampling.temperature < GREEDY else sample(logits, sampling, generator)
    if sampling.top_logprobs is None:
        return Chosen(token)
    logprobs = logits.float().log_softmax(-1)
    best = logprobs.topk(sampling.top_logprobs)
    top = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return Chosen(token, float(logprobs[token]), tuple(top))


def sample(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """A random token among the likeliest whose probabilities sum to `top_p`; at least the likeliest one."""
    shares, order = (logits.float().cpu() / sampling.temperature).softmax(-1).sort(descending=True)
    shares = shares.masked_fill(shares.cumsum(-1) - shares >= sampling.top_p, 0.0)
    return int(order[torch.multinomial(shares, 1, generator=generator)])
