"""One token after the other: as the predictions' own loop where nothing is sampled."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from typing import Any

import pytest
import torch

from trainer.decoding import generate
from trainer.sampling import Sampling, choose, reply_tokens
from trainer.weights import ModelError


@pytest.fixture(scope="module")
def model(tiny: Any) -> Any:
    return tiny[0]


@pytest.fixture(scope="module")
def prompts(tokenizer: Any) -> list[list[int]]:
    return [
        tokenizer(text)["input_ids"]
        for text in ("red", "a red door and a green boat", "white stone, blue lamp")
    ]


def test_greedy_tokens_are_those_of_predictions(model: Any, prompts: list[list[int]]) -> None:
    replies = generate(model, prompts, max_new_tokens=12, stops=[], batch_size=2)
    ours = [[chosen.token for chosen in reply_tokens(model, prompt, 12, Sampling())] for prompt in prompts]
    assert ours == [reply.tokens for reply in replies]
    assert len({tuple(tokens) for tokens in ours}) > 1


def test_log_probabilities_are_the_models(model: Any, prompts: list[list[int]]) -> None:
    chosen = list(reply_tokens(model, prompts[1], 5, Sampling(top_logprobs=3)))
    tokens = [each.token for each in chosen]
    with torch.inference_mode():
        logits = model(torch.tensor([prompts[1] + tokens])).logits[0, len(prompts[1]) - 1 : -1]
    expected = logits.log_softmax(-1)
    for place, each in enumerate(chosen):
        assert each.logprob == pytest.approx(float(expected[place, each.token]), abs=1e-4)
        best = expected[place].topk(3).indices.tolist()
        assert [token for token, _ in each.top] == best
        assert each.token == best[0]


def test_the_caller_may_stop_at_any_token(model: Any, prompts: list[list[int]]) -> None:
    assert len(list(islice(reply_tokens(model, prompts[0], 400, Sampling()), 3))) == 3


def test_temperature_and_top_p_shape_the_choice() -> None:
    logits = torch.tensor([0.6, 0.3, 0.1, 1e-9]).log()

    def counts(sampling: Sampling) -> Counter[int]:
        generator = torch.Generator().manual_seed(0)
        return Counter(choose(logits, sampling, generator).token for _ in range(2000))

    plain = counts(Sampling(temperature=1.0))
    assert plain[0] / 2000 == pytest.approx(0.6, abs=0.05)
    assert set(plain) == {0, 1, 2}
    assert set(counts(Sampling(temperature=1.0, top_p=0.85))) == {0, 1}
    assert set(counts(Sampling(temperature=1.0, top_p=0.6))) == {0}
    sharp, flat = counts(Sampling(temperature=0.5))[0], counts(Sampling(temperature=2.0))[0]
    assert sharp > plain[0] > flat
    assert set(counts(Sampling(temperature=1e-9))) == {0}


def test_attention_must_reach(model: Any, prompts: list[list[int]]) -> None:
    model.config.sliding_window, model.config.layer_types = 8, ["sliding_attention"] * 2
    try:
        with pytest.raises(ModelError, match="window 8"):
            next(reply_tokens(model, prompts[1], 20, Sampling()))
    finally:
        model.config.sliding_window, model.config.layer_types = None, None
