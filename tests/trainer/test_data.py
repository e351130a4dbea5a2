"""How examples become tokens and batches."""

from __future__ import annotations

import statistics
from typing import Any

import pytest

from trainer.data import Encoder, batches, common_prefix, encode, length_warnings, stop_tokens
from trainer.records import Example, Message
from trainer.specs import StudentSpec
from trainer.tasks.base import Rendered, Task

CHAT, PLAIN = StudentSpec(template="chat"), StudentSpec(template="plain")


def example(prompt: str = "What colour?", completion: str = "blue", **more: Any) -> Example:
    return Example(id="a", prompt=prompt, completion=completion, **more)


class Chooses(Task):
    def render(self, example: Example) -> Rendered:
        return Rendered(prompt="Red, or:", completion=example.completion, choices=[" blue", "red"])


def test_chat_row_is_the_tokenised_conversation(tokenizer: Any) -> None:
    row = Encoder(Task(), tokenizer, CHAT).row(example())
    turns = [{"role": "user", "content": "What colour?"}, {"role": "assistant", "content": "blue"}]
    text = tokenizer.apply_chat_template(turns, tokenize=False)
    assert row.prompt + row.completion == tokenizer(text.removesuffix("\n"))["input_ids"]
    assert tokenizer.decode(row.completion) == "blue<|im_end|>"
    assert tokenizer.decode(row.prompt).endswith("<|im_start|>assistant\n")


def test_auto_uses_the_chat_template_where_there_is_one(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat, plain = (Encoder(Task(), tokenizer, student).row(example()) for student in (CHAT, PLAIN))
    assert Encoder(Task(), tokenizer, StudentSpec()).row(example()) == chat
    monkeypatch.setattr(tokenizer, "chat_template", None)
    assert Encoder(Task(), tokenizer, StudentSpec()).row(example()) == plain


@pytest.mark.parametrize(
    ("prompt", "completion", "joined"),
    [
        ("What colour?", "blue", "What colour? blue"),
        ("def colour():\n", "    return 1", "def colour():\n    return 1"),
        ("What colour?", "\nblue", "What colour?\nblue"),
    ],
)
def test_plain_row_joins_with_one_space(tokenizer: Any, prompt: str, completion: str, joined: str) -> None:
    row = Encoder(Task(), tokenizer, PLAIN).row(example(prompt, completion))
    assert row.prompt == tokenizer(prompt)["input_ids"]
    assert tokenizer.decode(row.prompt + row.completion[:-1]) == joined
    assert row.completion[-1] == tokenizer.eos_token_id


def test_earlier_turns_are_context(tokenizer: Any) -> None:
    turns = [
        Message(role="system", content="Be brief."),
        Message(role="user", content="Hello"),
        Message(role="assistant", content="Hi"),
        Message(role="user", content="What colour?"),
        Message(role="assistant", content="blue"),
    ]
    expected = tokenizer.apply_chat_template(
        [turn.model_dump() for turn in turns[:-1]], tokenize=False, add_generation_prompt=True
    )
    for messages in (turns, turns[:-1]):
        row = Encoder(Task(), tokenizer, CHAT).row(example(messages=messages))
        assert tokenizer.decode(row.prompt) == expected
        assert tokenizer.decode(row.completion) == "blue<|im_end|>"


def test_task_renders_prompt_and_choices(tokenizer: Any) -> None:
    class Asks(Task):
        def render(self, example: Example) -> Rendered:
            return Rendered(prompt=f"Q: {example.prompt}", completion="blue", choices=["red", "blue"])

    row = Encoder(Asks(), tokenizer, CHAT).row(example())
    assert "Q: What colour?" in tokenizer.decode(row.prompt)
    assert [tokenizer.decode(choice) for choice in row.choices or []] == ["red", "blue"]


def test_plain_text_parts_a_reply_once_and_a_choice_always(tokenizer: Any) -> None:
    plain = StudentSpec(template="plain")
    for completion in ("blue", " blue"):
        row = Encoder(Task(), tokenizer, plain).row(example(completion=completion))
        assert tokenizer.decode(row.completion[:-1]) == " blue"
    row = Encoder(Chooses(), tokenizer, plain).row(example(completion=" blue"))
    assert [tokenizer.decode(choice) for choice in row.choices or []] == ["  blue", " red"]
    assert row.completion[:-1] == (row.choices or [])[0]


def test_over_long_rows_are_named_and_left_out(tokenizer: Any) -> None:
    short, long = example(), Example(id="long", prompt="colour " * 90, completion="blue")
    rows, over_long = encode([long, short], Task(), tokenizer, StudentSpec(max_length=64))
    assert [row.id for row in rows] == ["a"]
    assert over_long == ["long"]
    exact = rows[0].length
    assert encode([short], Task(), tokenizer, StudentSpec(max_length=exact))[1] == []
    assert encode([short], Task(), tokenizer, StudentSpec(max_length=exact - 1))[1] == ["a"]


def test_answers_that_a_reply_has_no_room_for(tokenizer: Any) -> None:
    rows, _ = encode([example(), example(completion="blue " * 9)], Task(), tokenizer, CHAT)
    longest = len(tokenizer("blue " * 9)["input_ids"])

    def warnings(limit: int, over_long: int = 0) -> list[str]:
        return length_warnings(rows, over_long, Task(), StudentSpec(max_new_tokens=limit))

    assert warnings(longest) == []
    (one,) = warnings(longest - 1)
    assert one.startswith("1 of 2 training rows have answers that the student cannot give")
    assert f"Set `student.max_new_tokens` to {longest} or more." in one
    (left_out,) = warnings(longest, over_long=3)
    assert left_out.startswith("3 of 5 training rows are left out")


def test_a_choice_is_not_written_and_so_never_cut(tokenizer: Any) -> None:
    row = Encoder(Chooses(), tokenizer, CHAT).row(example(completion="blue " * 9))
    assert length_warnings([row], 0, Chooses(), StudentSpec(max_new_tokens=2)) == []


def test_generation_stops_at_the_end_of_a_reply(tokenizer: Any) -> None:
    assert stop_tokens(tokenizer, CHAT) == [tokenizer.convert_tokens_to_ids("<|im_end|>")]
    template = "{% for m in messages %}<|im_start|>{{ m['content'] }}<|endoftext|>{% endfor %}"
    tokenizer = tokenizer.__class__.from_pretrained(tokenizer.name_or_path, chat_template=template)
    ends = [tokenizer.convert_tokens_to_ids(token) for token in ("<|im_end|>", "<|endoftext|>")]
    assert stop_tokens(tokenizer, CHAT) == sorted(ends)


def test_common_prefix() -> None:
    assert common_prefix([[1, 2, 3], [1, 2, 4, 5], [1, 2]]) == 2
    assert common_prefix([[1], [2]]) == 0
    assert common_prefix([[7, 8]]) == 2
    assert common_prefix([]) == 0


def test_every_epoch_sees_every_row_once() -> None:
    lengths = [10 + (7 * n) % 50 for n in range(45)]
    plan = list(batches(lengths, 8, steps=18, seed=1))
    assert len(plan) == 18
    for epoch in range(3):
        seen = [index for batch in plan[6 * epoch : 6 * epoch + 6] for index in batch]
        assert sorted(seen) == list(range(45))
    assert plan[:6] != plan[6:12]


def test_batches_depend_on_the_seed_alone() -> None:
    lengths = list(range(40))
    first = list(batches(lengths, 4, steps=20, seed=5))
    assert list(batches(lengths, 4, steps=20, seed=5)) == first
    assert list(batches(lengths, 4, steps=20, seed=6)) != first


def test_part_of_an_epoch() -> None:
    whole = list(batches(list(range(40)), 4, steps=20, seed=5))
    assert list(batches(list(range(40)), 4, steps=15, seed=5)) == whole[:15]
    assert list(batches(list(range(40)), 4, steps=2, seed=5)) == whole[:2]


def test_batches_have_like_lengths() -> None:
    lengths = [(37 * n) % 101 for n in range(400)]
    plan = list(batches(lengths, 8, steps=50, seed=0))
    spread = statistics.mean(
        max(lengths[i] for i in batch) - min(lengths[i] for i in batch) for batch in plan
    )
    # Eight draws from 0..100 lie 78 apart on average.
    assert spread < 15
    # And short batches do not all come first.
    firsts = [lengths[batch[0]] for batch in plan]
    assert firsts != sorted(firsts)
