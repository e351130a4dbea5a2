"""A row of HellaSwag is converted. The row is quoted from the source."""

from __future__ import annotations

from trainer.records import Example
from trainer.tasks import load_task


def test_a_row_of_the_source() -> None:
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
