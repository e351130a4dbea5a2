"""The free checks: what they catch, what they let pass, and in which order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest

from graphs.checks.overlap import GuardedTexts, NearDuplicates, common_subsequence, grams, jaccard
from graphs.checks.row_checks import CheckResult, RowChecks
from graphs.checks.template import Template
from graphs.context import LoopSpec
from trainer.records import Example
from trainer.text import words

TRAIN = [
    ("My card has not arrived yet, it was sent two weeks ago.", "card_arrival"),
    ("How do I reset the passcode of my account?", "passcode_forgotten"),
    ("What currencies can I hold with you?", "supported_currencies"),
    ("Why was I charged for a withdrawal in Spain?", "cash_withdrawal_charge"),
    ("yes", "other"),
    ("The app shows a payment that I did not make on Monday evening in a shop near the station.", "fraud"),
]
VALIDATION = [
    ("I topped up with my debit card yesterday and the money is still missing.", "top_up_pending"),
    ("4 people please", "other"),
]
TEST = [("Could somebody explain why the exchange rate at the airport was so bad?", "wrong_exchange_rate")]


def ask(text: str) -> str:
    return f"Classify the banking customer query into one intent label.\n\nQuery: {text}\n\nIntent:"


def rows(pairs: Sequence[tuple[str, str]], split: str) -> list[Example]:
    return [Example(id=f"{split}-{i}", prompt=ask(text), completion=c) for i, (text, c) in enumerate(pairs)]


def unit(n: int, seed: int = 0, d: int = 32) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(n, d))
    unit_vectors: np.ndarray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit_vectors


def unknown_label(prompt: str, completion: str) -> str | None:
    return "Unknown label." if completion == "nonsense" else None


GUARDED_VECTORS = unit(3, seed=9)


@pytest.fixture
def checks() -> RowChecks:
    train = rows(TRAIN, "train")
    template = Template.from_prompts([row.prompt for row in train])
    guarded = {"validation": rows(VALIDATION, "validation"), "test": rows(TEST, "test")}
    return RowChecks(template, train, guarded, GUARDED_VECTORS, unknown_label, LoopSpec())


def check(checks: RowChecks, *samples: str | tuple[str, str]) -> list[CheckResult | None]:
    """Findings for texts in the task's template; the label is `card_arrival` unless given."""
    pairs = [sample if isinstance(sample, tuple) else (sample, "card_arrival") for sample in samples]
    return checks.check([(ask(text), label) for text, label in pairs], unit(len(pairs)))


def match(finding: CheckResult | None) -> tuple[str, str, str]:
    assert finding is not None
    assert finding.evidence is not None
    return finding.check, finding.evidence["split"], finding.evidence["id"]


# Words and n-grams


def test_words_ignore_case_punctuation_and_forms_of_a_letter() -> None:
    assert words("Don’t STOP —  the ﬁrst_line!") == ["dont", "stop", "the", "first", "line"]
    assert words("Café 7.15pm") == words("cafe\u0301 7 15PM".replace("cafe\u0301", "CAFÉ"))
    assert words("我要两张票") == ["我", "要", "两", "张", "票"]
    assert words("?! 🙂") == ["?", "!", "🙂"]


def test_grams_and_jaccard_by_hand() -> None:
    four, three = grams(["a", "b", "c", "d"], 3), grams(["a", "b", "c"], 3)
    assert (len(four), len(three), len(grams(["a"], 3)), len(grams([], 3))) == (2, 1, 1, 0)
    assert jaccard(four, three) == 1 / 2
    assert jaccard(four, grams(["x", "y", "z"], 3)) == 0


def test_common_subsequence_agrees_with_the_textbook() -> None:
    def textbook(a: str, b: str) -> int:
        table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
        return table[-1][-1]

    draw = random.Random(0)
    for _ in range(200):
        a, b = ("".join(draw.choices("abcd", k=draw.randrange(20))) for _ in range(2))
        assert common_subsequence(a, b) == textbook(a, b)


def test_prefix_filtering_loses_no_pair() -> None:
    """Every answer is that of comparing with all texts."""
    draw = random.Random(1)
    texts = [grams(draw.choices("abcdef", k=draw.randrange(3, 15)), 3) for _ in range(300)]
    index = NearDuplicates(0.6, {})
    for number, text in enumerate(texts):
        similarities = [jaccard(text, other) for other in texts[:number]]
        best = max(similarities, default=0.0)
        answer = index.find(text, lambda _: True)
        assert (answer[1] if answer else 0.0) == (best if best >= 0.6 else 0.0)
        index.add(text)


# The template


def test_template_is_what_nearly_all_prompts_share(checks: RowChecks) -> None:
    template = Template.from_prompts([ask(text) for text, _ in TRAIN])
    assert [template.strip(ask(text)) for text, _ in TRAIN] == [text for text, _ in TRAIN]
    bare = "A prompt without it"
    assert template.strip(bare) == bare
    assert template.strip(ask("")) == ""


def test_lines_and_labels_of_some_prompts_are_template_too() -> None:
    head = "Extract the booking as JSON.\n\n"
    times = [f"{head}The agent asked for: time\nMessage: at {n} sharp" for n in range(5)]
    plain = [f"{head}Message: a table for {n}" for n in range(5)]
    template = Template.from_prompts(times + plain)
    assert template.strip(times[3]) == "at 3 sharp"
    assert template.strip(plain[4]) == "a table for 4"


def test_free_prompts_have_no_template() -> None:
    prompts = ["Ann has 3 apples.", "A train leaves at noon.", "Bob buys two pens: how many?", "Sum 1 and 2."]
    assert [Template.from_prompts(prompts).strip(p) for p in prompts] == prompts
    assert Template.from_prompts(["Same text here"] * 2) == Template()


# The checks


def test_a_good_row_passes(checks: RowChecks) -> None:
    assert check(
        checks, "Where is the card that you promised me?", ("Is Sunday a banking day?", "other")
    ) == [
        None,
        None,
    ]


def test_rows_without_text_are_empty(checks: RowChecks) -> None:
    results = check(checks, "   ", ("Where is it?", " \n"))
    assert [f.check for f in results if f] == ["empty", "empty"]


def test_the_tasks_own_check_decides_before_duplicates(checks: RowChecks) -> None:
    (result,) = check(checks, ("yes", "nonsense"))
    assert result == CheckResult("invalid", "Unknown label.")


def test_a_prompt_of_train_is_a_duplicate_whatever_its_answer(checks: RowChecks) -> None:
    same, other = check(
        checks, ("HOW DO I RESET the passcode of my account", "passcode_forgotten"), ("Yes!", "x")
    )
    assert match(same) == ("duplicate", "train", "train-1")
    assert match(other) == ("duplicate", "train", "train-4")
    assert same is not None
    assert same.evidence is not None
    assert same.evidence["text"] == ask(TRAIN[1][0])


def test_nearly_a_prompt_of_train_is_a_duplicate_only_with_the_same_answer(checks: RowChecks) -> None:
    text = TRAIN[5][0].replace("station", "harbour")
    assert match(check(checks, (text, "fraud"))[0]) == ("duplicate", "train", "train-5")
    assert check(checks, (text, "card_arrival")) == [None]


def test_accepted_rows_count_from_when_they_are_added(checks: RowChecks) -> None:
    text = "Since Friday the machine in the lobby takes every card but mine."
    assert check(checks, text) == [None]
    checks.add(["r1-7"], [ask(text)], ["card_arrival"])
    near = text.replace("mine.", "mine now.")
    assert [match(f) for f in check(checks, text, near)] == [("duplicate", "accepted", "r1-7")] * 2


def test_in_a_batch_the_earlier_row_wins(checks: RowChecks) -> None:
    text = "Will the new card work in Norway?"
    rejected, first, second = check(checks, (text, "nonsense"), text, text.upper())
    assert rejected is not None
    assert rejected.check == "invalid"
    assert first is None
    assert match(second) == ("duplicate", "batch", "1")


@pytest.mark.parametrize(
    "text",
    [
        VALIDATION[0][0],
        VALIDATION[0][0].upper().replace(".", " !!"),
        VALIDATION[0][0].replace("debit", "credit").replace("yesterday", "today"),
        f"Good morning. {VALIDATION[0][0]} Thank you for your help, kind regards from Leeds.",
    ],
    ids=["verbatim", "case and punctuation", "two words replaced", "inside a longer text"],
)
def test_copies_of_a_guarded_row_are_leaks(checks: RowChecks, text: str) -> None:
    assert match(check(checks, text)[0]) == ("leak", "validation", "validation-0")


def test_a_copy_that_is_a_leak_too_is_told_as_a_leak(checks: RowChecks) -> None:
    """A reviewer may take a duplicate in after all."""
    text = VALIDATION[0][0]
    checks.add(["r1-7"], [ask(text)], ["top_up_failed"])
    assert match(check(checks, text)[0]) == ("leak", "validation", "validation-0")


def test_the_test_split_is_guarded_too(checks: RowChecks) -> None:
    assert match(check(checks, TEST[0][0])[0]) == ("leak", "test", "test-0")


def test_a_short_text_leaks_only_as_a_whole_prompt(checks: RowChecks) -> None:
    assert match(check(checks, "4 People, please!")[0]) == ("leak", "validation", "validation-1")
    assert check(checks, "5 people please", "4 people") == [None, None]


def test_another_way_to_ask_the_same_is_no_leak(checks: RowChecks) -> None:
    assert check(
        checks,
        "My top up from yesterday has not shown up, where is the money?",
        "The rate that I got at the airport seems wrong, can you explain it?",
    ) == [None, None]


def test_the_same_meaning_by_embedding_is_a_leak(checks: RowChecks) -> None:
    near = GUARDED_VECTORS[2] + 0.02 * unit(1, seed=4)[0]
    near /= np.linalg.norm(near)
    sample = (ask("Entirely other words, as far as letters go."), "wrong_exchange_rate")
    (result,) = checks.check([sample], near[None])
    assert match(result) == ("leak", "test", "test-0")
    assert result is not None
    assert result.evidence is not None
    assert result.evidence["similarity"] == pytest.approx(float(near @ GUARDED_VECTORS[2]), abs=1e-4)


def test_wording_that_train_has_too_is_no_leak() -> None:
    passage = "The river rises in the eastern hills and flows through three old towns to the sea."
    train = [words(f"{passage} Where does it rise?")]
    guarded = GuardedTexts([words(f"{passage} How many towns are there?")], train, 0.7)
    assert guarded.contained(words(f"{passage} Which way does the water run?")) is None
    assert guarded.contained(words(f"{passage} How many towns are there? Say it.")) == (0, 1.0)


def test_without_guarded_rows_nothing_leaks() -> None:
    free = RowChecks(Template(), [], {}, np.zeros((0, 4), np.float32), unknown_label, LoopSpec())
    assert free.check([("Anything at all may pass here, it seems.", "x")], unit(1, d=4)) == [None]


def test_rows_and_vectors_must_agree(checks: RowChecks) -> None:
    with pytest.raises(ValueError, match="2 rows"):
        checks.check([("a", "b"), ("c", "d")], unit(1))
    with pytest.raises(ValueError, match="1 guarded rows"):
        RowChecks(Template(), [], {"test": rows(TEST, "test")}, unit(2), unknown_label, LoopSpec())


def differs(seen: list[int], number: int) -> bool:
    """Record that a search compared with this text, and let it go on."""
    seen.append(number)
    return True


def test_time_for_a_row_hardly_grows_with_the_accepted_rows() -> None:
    """Counted, not timed: the texts that one search compares with stay few."""
    draw = random.Random(0)
    vocabulary = [f"w{i}" for i in range(2000)]
    weights = [1 / (i + 1) for i in range(2000)]
    texts = [grams(draw.choices(vocabulary, weights, k=12), 3) for _ in range(6000)]
    index, compared = NearDuplicates(0.7, {}), []
    for text in texts:
        seen: list[int] = []
        index.find(text, partial(differs, seen))
        compared.append(len(seen))
        index.add(text)
    assert sum(compared[-1000:]) / 1000 < 10
