"""Rows as their sources publish them become rows of ours; the sources' own examples are quoted."""

import json
import sys

from trainer.records import Example
from trainer.tasks import known_tasks, load_task

BENCHMARKS = ("arc_challenge", "banking77", "gsm8k", "hellaswag", "restaurant8k_slots", "squad")


def test_every_benchmark_says_where_it_is_from() -> None:
    for name in BENCHMARKS:
        task = known_tasks()[name]
        assert task.hub
        assert "arXiv" in task.source
        text = sys.modules[task.__module__].__doc__
        assert text
        assert any(licence in text for licence in ("CC BY-SA 4.0", "CC BY 4.0", "MIT"))
        assert "https://" in text


def test_squad() -> None:
    context = "Super Bowl 50 was an American football game to determine the champion."
    row = {
        "id": "56be4db0acb8001400a502ec",
        "title": "Super_Bowl_50",
        "context": context,
        "question": " Which game was it?",
        "answers": {"text": ["Super Bowl 50", "Super Bowl"], "answer_start": [0, 0]},
    }
    converted = load_task("squad").convert(row)
    assert converted
    assert converted["prompt"] == (
        "Answer the question with a short span copied from the passage.\n\n"
        f"Passage: {context}\n\nQuestion: Which game was it?\n\nAnswer:"
    )
    assert converted["completion"] == "Super Bowl 50"
    assert load_task("squad").group(Example(**converted)) == "Super_Bowl_50"


def test_arc_challenge_with_digits_for_letters() -> None:
    row = {
        "id": "MCAS_2000_4_6",
        "question": "Which technology was developed most recently?",
        "choices": {"text": ["cellular telephone", "television", "refrigerator"], "label": ["1", "2", "3"]},
        "answerKey": "1",
    }
    converted = load_task("arc_challenge").convert(row)
    assert converted
    assert converted["prompt"] == (
        "Which technology was developed most recently?\n\nA. cellular telephone\nB. television\nC. refrigerator\n\n"
        "Answer with the letter of the correct option."
    )
    assert (converted["completion"], converted["choices"]["label"]) == ("A", ["A", "B", "C"])


def test_hellaswag() -> None:
    row = {
        "ind": 4,
        "activity_label": "Removing ice from car",
        "ctx_a": "Then, the man writes over the snow covering the window of a car.",
        "ctx_b": "then",
        "ctx": "Then, the man writes over the snow covering the window of a car. then",
        "endings": [", he sits.", ", he runs.", "[step] he eats.", ", he sleeps."],
        "source_id": "activitynet~v_-1IBHYS3L-Y",
        "label": "3",
    }
    converted = load_task("hellaswag").convert(row)
    assert converted
    assert converted["prompt"].startswith(
        "Choose the most plausible continuation of the context.\n\nContext: Then, the"
    )
    assert converted["prompt"].endswith("\nD. , he sleeps.\n\nAnswer with the letter of the correct option.")
    assert (converted["completion"], converted["label"]) == ("D", 3)
    example = Example(id="a", **converted)
    rendered = load_task("hellaswag_loglikelihood").render(example)
    assert rendered.prompt == (
        "Removing ice from car: Then, the man writes over the snow covering the window of a car. Then"
    )
    assert rendered.choices == [", he sits.", ", he runs.", " he eats.", ", he sleeps."]
    assert load_task("hellaswag").group(example) == "activitynet~v_-1IBHYS3L-Y"


def test_hellaswag_by_likelihood_needs_only_the_prompt() -> None:
    """A teacher's new rows have nothing else."""
    prompt = "Choose the most plausible continuation of the context.\n\nContext: [header] How to eat [title] Sit.\n\nA. up\nB. [step] down"
    rendered = load_task("hellaswag_loglikelihood").render(Example(id="a", prompt=prompt, completion="B"))
    assert (rendered.prompt, rendered.choices) == ("How to eat. Sit.", ["up", " down"])


def test_gsm8k() -> None:
    converted = load_task("gsm8k").convert({"question": "How many?", "answer": "So.\n#### 1,080"})
    assert converted == {"prompt": "How many?", "completion": "So.\n#### 1,080", "answer": "1,080"}


def test_banking77() -> None:
    converted = load_task("banking77").convert({"text": " My card?\n", "label": "card_arrival"})
    assert converted
    assert converted["prompt"] == (
        "Classify the banking customer query into one intent label.\n\nQuery: My card?\n\nIntent:"
    )
    assert converted["completion"] == "card_arrival"


def test_restaurant8k_slots() -> None:
    task = load_task("restaurant8k_slots")
    labels = [
        {"slot": "time", "valueSpan": {"startIndex": 16, "endIndex": 26}},
        {"slot": "date", "valueSpan": {"startIndex": None, "endIndex": 3}},
    ]
    row = {"userInput": {"text": "any tables free in an hour"}, "context": None, "labels": labels}
    converted = task.convert(row)
    assert converted
    assert json.loads(converted["completion"]) == {"date": "any", "time": "in an hour"}
    assert list(converted["slots"]) == ["date", "time"]
    assert converted["prompt"] == (
        "Extract the booking details from the customer message as a JSON object. Use only the keys date, time, people, "
        "first_name, last_name, copy the values exactly from the message, and leave out keys that are not mentioned."
        "\n\nMessage: any tables free in an hour"
    )
    asked = task.convert(
        {"userInput": {"text": "13"}, "context": {"requestedSlots": ["time"]}, "labels": None}
    )
    assert asked
    assert asked["prompt"].endswith("mentioned.\n\nThe agent asked for: time\n\nMessage: 13")
    assert asked["completion"] == "{}"
