"""What the documentation says of comparisons, quality control and the choice of rows."""

from __future__ import annotations

from collections.abc import Iterator

from tests.figures.wording import Result, row


def tasks(result: Result) -> Iterator[str]:
    for name, one in result.items():
        scores = (", ".join(f"{100 * value:.1f}" for value in one[key]) for key in ("validation", "test"))
        title = f"{name} (F1)" if name == "squad" else name
        counts = (str(one[key]) for key in ("accepted", "calls", "seconds"))
        yield row(title, one["status"], *scores, *counts)


SETTINGS = {
    "free checks only": "free checks only (`qc: false`)",
    "judge, whole batches back": "judge, whole batches back (as it was)",
    "judge": "judge (the default)",
    "blind, 1 vote": "`qc: false`, `qc_blind: 1`",
    "blind, 2 votes": "`qc: false`, `qc_blind: 2`",
    "blind, 3 votes": "`qc: false`, `qc_blind: 3`",
    "judge, whole batches back, and blind, 3 votes": "judge, whole batches back, and `qc_blind: 3`",
    "judge and blind, 1 vote": "judge and `qc_blind: 1`",
    "judge and blind, 3 votes": "judge and `qc_blind: 3`",
}


def quality(result: Result) -> Iterator[str]:
    for name, one in result["settings"].items():
        shares = (f"{100 * one[key]:.1f} %" for key in ("caught", "lost"))
        wrong = one.get("accepted_corrupted", 0) / one["accepted"]
        calls, tokens = one["calls"] / one["accepted"], one["tokens"] / one["accepted"]
        taken = f"{calls:.2f}", f"{tokens:.0f}"
        yield row(SETTINGS[name], *shares, f"{100 * wrong:.1f} %", str(one["accepted"]), *taken)


def given_rows(result: Result) -> Iterator[str]:
    (one,) = (one["result"] for name, one in result.items() if name.startswith("banking77"))
    for name, key in (
        ("at random", "at random"),
        ("labels alike", "labels alike"),
        ("labels as in the validation failures", "labels as in validation errors"),
        ("nearest to the validation failures", "nearest to validation errors"),
        ("rows that the student gets wrong", "wrong"),
        ("the same, labels alike", "wrong, labels alike"),
        ("the same, labels as in the validation failures", "wrong, labels as in validation errors"),
    ):
        yield row(name, f"{one[key]['mean']:.1f}", f"{one[key]['standard_error']:.1f}")


def unlabeled_rows(result: Result) -> Iterator[str]:
    both = [one["result"] for one in result.values()]
    for name, answered, key in (
        ("random rows", "150", "at random"),
        ("rows that the student gets wrong, of the whole pool", "all", "wrong"),
        ("medoids of the whole pool", "150", "unlabelled: medoids of all"),
        ("rows of which the student is least certain", "150", "unlabelled: least certain"),
        (
            "medoids of the 600 least certain: `active`",
            "150",
            "unlabelled: medoids of the least certain (`active`)",
        ),
        (
            "the same by patterns, and near to their failures: `pada`",
            "150",
            "unlabelled: the same by patterns, and near (`pada`)",
        ),
    ):
        figures = (f"{one[key]['mean']:.1f} ({one[key]['standard_error']:.1f})" for one in both)
        yield row(name, answered, *figures)


def change(paired: Result | None) -> str:
    if paired is None:
        return ""
    low, high = paired["ci95"]
    shown = "" if paired["verdict"] == "no difference shown" else r" \*"
    return f"{100 * paired['difference']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}){shown}"


def comparison(result: Result) -> Iterator[str]:
    """The rows of its table; those that differ from the rows that a method was given have a column more."""
    columns = any(one["accepted"] != one["trained_on"] for one in result["rows"])
    for one in result["rows"]:
        low, high = one["ci95"]
        rows = [f"{one['accepted']:.0f}", *([f"{one['trained_on']:.0f}"] if columns else [])]
        best = best_validation(one, columns)
        test = f"{100 * one['test_mean']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
        differences = change(one["vs_vanilla"]), change(one["vs_reference"])
        yield row(one["method"], *rows, f"{100 * best:.1f} %", test, *differences, str(one["calls"]))


def best_validation(one: Result, by_rows: bool) -> float:
    """The validation score of the student that was tested: of the round up to which it has rows."""
    curve: list[Result] = one["curve"]
    fitting = [each for each in curve if each["accepted"] == one["trained_on"]] if by_rows else curve[-1:]
    return float(fitting[-1]["validation"])


def main_result(result: Result) -> Iterator[str]:
    (pada,) = (one for one in result["rows"] if one["method"] == "pada")
    low, high = pada["vs_vanilla"]["ci95"]
    yield f"**{100 * pada['vs_vanilla']['difference']:+.1f}** ({100 * low:+.1f} to {100 * high:+.1f})"
