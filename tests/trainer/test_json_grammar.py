"""Replies that follow a JSON schema, of a random student that by itself would never write JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trainer.json_grammar import JsonGrammar, SchemaError
from trainer.sampling import Sampling, reply_tokens

SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"enum": ["Zürich", "Oslo"]},
        "people": {"type": "integer", "minimum": 1, "maximum": 20},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/part"}, "minItems": 1, "maxItems": 2},
    },
    "required": ["city", "people", "parts"],
    "additionalProperties": False,
    "$defs": {"part": {"enum": ["a b", 'c"d']}},
}


@pytest.fixture(scope="module")
def stops(tokenizer: Any) -> list[int]:
    return [int(tokenizer.eos_token_id)]


def reply(tiny: Any, stops: list[int], schema: dict[str, Any], sampling: Sampling, limit: int = 200) -> str:
    """The text up to a stop token, which must come before the limit."""
    model, tokenizer = tiny
    grammar = JsonGrammar(tokenizer, stops, model.config.vocab_size, schema)
    tokens: list[int] = []
    for chosen in reply_tokens(model, tokenizer("red door")["input_ids"], limit, sampling, grammar):
        if chosen.token in stops:
            return str(tokenizer.decode(tokens))
        tokens.append(chosen.token)
    raise AssertionError(tokenizer.decode(tokens))


def test_every_reply_follows_its_schema(tiny: Any, stops: list[int]) -> None:
    seen = set()
    for seed in range(8):
        text = reply(tiny, stops, SCHEMA, Sampling(temperature=1, seed=seed))
        document = json.loads(text)
        assert list(document) == ["city", "people", "parts"]
        assert document["city"] in ("Zürich", "Oslo")
        assert 1 <= document["people"] <= 20
        assert 1 <= len(document["parts"]) <= 2
        assert set(document["parts"]) <= {"a b", 'c"d'}
        seen.add(text)
    assert len(seen) > 1


def test_the_likeliest_reply_follows_it_too(tiny: Any, stops: list[int]) -> None:
    assert json.loads(reply(tiny, stops, {"enum": ["yes", "no"]}, Sampling())) in ("yes", "no")


def test_logprobs_are_among_what_may_come(tiny: Any, stops: list[int]) -> None:
    model, tokenizer = tiny
    grammar = JsonGrammar(tokenizer, stops, model.config.vocab_size, {"const": "red"})
    first = next(reply_tokens(model, [5], 1, Sampling(top_logprobs=3), grammar))
    assert tokenizer.decode([first.token]).strip().startswith('"')
    assert first.top[0] == (first.token, first.logprob)


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "strange"}, "strange"),
        ({"$ref": "#/$defs/none"}, "none"),
        ({"not": {"type": "string"}}, "not"),
    ],
)
def test_a_schema_that_cannot_be_followed_is_refused(
    tiny: Any, stops: list[int], schema: dict[str, Any], says: str
) -> None:
    with pytest.raises(SchemaError, match=says):
        JsonGrammar(tiny[1], stops, tiny[0].config.vocab_size, schema)
