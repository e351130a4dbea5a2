"""Choice scoring against lm-evaluation-harness (hf backend): same student, questions and choices, each in its own process.

`python benchmarks/choice.py [--data FOLDER] [--rows N] [--student NAME] [--output FILE]`

Prompts are those of the harness for ARC: `Question: ...\\nAnswer:`. The texts of the choices are the continuations. The
harness runs in both precisions, at its default batch size of 1 and at larger ones, and its fastest run counts. The time
includes tokenising, but not loading. Each contender scores all questions `REPEATS` times, and its best time counts.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import arguments, conditions, publish, read_rows, run_alone, write_rows

REPEATS = 2
BATCH_SIZES = (1, 8, 32)
"""Batch sizes of the harness. Ours uses the student's default."""

DTYPES = ("float32", "bfloat16")
OURS = [f"ours {dtype}" for dtype in DTYPES]
HARNESS = [f"lm-eval {dtype} batch {size}" for dtype in DTYPES for size in BATCH_SIZES]

KINDS = {
    "conducts electricity well": ("copper", "dry wood", "rubber", "glass wool between two panes"),
    "is a mammal": ("bat", "sparrow", "a trout that lives in a cold mountain stream", "lizard"),
    "is a renewable source of energy": ("wind", "coal", "natural gas", "oil from below the sea"),
    "changes liquid water into vapor": (
        "evaporation",
        "freezing",
        "condensation on a cold window",
        "erosion",
    ),
    "is a planet": ("Mars", "the Moon", "the Sun", "a comet with a long tail"),
}
SETTINGS = (
    "Which of these {kind}?",
    "A student makes a table for a report. Which entry belongs under the heading '{kind}'?",
    "In class a teacher shows four cards, and asks which one names something that {kind}. What is right?",
)


def synthetic(count: int) -> list[dict[str, Any]]:
    """Questions made of a setting and a kind. From one question to the next, the choices rotate by one.

    Each question has its number, because the harness computes equal ones only once.
    """
    pairs = itertools.islice(itertools.cycle(itertools.product(SETTINGS, KINDS.items())), count)
    rows = []
    for number, (setting, (kind, choices)) in enumerate(pairs):
        turn = number % len(choices)
        text = f"({number + 1}) {setting.format(kind=kind)}"
        rows.append(question(f"made-{number}", text, choices[turn:] + choices[:turn]))
    return rows


def question(name: str, text: str, choices: Any) -> dict[str, Any]:
    """A row in the form that both contenders read."""
    return {
        "id": name,
        "prompt": f"Question: {text}\nAnswer:",
        "completion": choices[0],
        "choices": list(choices),
    }


def read(folder: Path, count: int) -> list[dict[str, Any]]:
    """The first validation rows of a folder in ARC's form."""
    rows = read_rows(folder / "validation.jsonl", count)
    return [question(row["id"], row["question"], row["choices"]["text"]) for row in rows]


def score_ours(path: Path, student_name: str, dtype: str) -> dict[str, Any]:
    import torch

    from trainer.engines import local_engine
    from trainer.model import load_model, load_tokenizer
    from trainer.predict import Counter
    from trainer.predictor import Predictor
    from trainer.progress import ProgressLog
    from trainer.specs import StudentSpec
    from trainer.tasks import load_task

    student = StudentSpec(model=student_name, template="plain", dtype=dtype)
    task = load_task("multiple_choice_loglikelihood")
    examples = task.load(path)
    model = load_model(student, trainable=False, dtype=getattr(torch, dtype))
    done = Counter(ProgressLog(path, enabled=False), REPEATS * len(examples))
    predictor = Predictor(local_engine(model, student), load_tokenizer(student), task, student, done)
    seconds, (predictions, _) = best_of(lambda: predictor.answer(examples))
    return {"seconds": seconds, "logprobs": [row.choice_logprobs for row in predictions]}


def score_harness(path: Path, student_name: str, dtype: str, batch_size: int) -> dict[str, Any]:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    from trainer.weights import resolve_model

    rows = read_rows(path)
    model = HFLM(str(resolve_model(student_name)), device="cpu", dtype=dtype, batch_size=batch_size)
    requests = [
        Instance("loglikelihood", row, (row["prompt"], f" {choice}"), place)
        for row in rows
        for place, choice in enumerate(row["choices"])
    ]
    seconds, answers = best_of(lambda: model.loglikelihood(requests, disable_tqdm=True))
    flat = iter(logprob for logprob, _ in answers)
    return {"seconds": seconds, "logprobs": [[next(flat) for _ in row["choices"]] for row in rows]}


def best_of(run: Any) -> tuple[float, Any]:
    """The best time of a few runs, and the result of the last one."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - start)
    return min(times), result


def work(name: str, path: Path, student: str, output: Path) -> None:
    """Runs one contender in its own process and writes the result to `output`."""
    match name.split():
        case ["ours", dtype]:
            result = score_ours(path, student, dtype)
        case ["lm-eval", dtype, "batch", size]:
            result = score_harness(path, student, dtype, int(size))
    output.write_text(json.dumps(result))


def agreement(results: dict[str, dict[str, Any]], one: str, other: str) -> dict[str, float]:
    """Share of questions with the same choice, and the largest difference of a log-probability (nats)."""
    pairs = list(zip(results[one]["logprobs"], results[other]["logprobs"], strict=True))
    same = sum(ours.index(max(ours)) == theirs.index(max(theirs)) for ours, theirs in pairs)
    apart = max(abs(a - b) for ours, theirs in pairs for a, b in zip(ours, theirs, strict=True))
    return {"same_choices": same / len(pairs), "largest_difference": apart}


def summarize(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Ratios of rates, and agreement with the harness in float32 with batch size 1."""
    rate = {name: len(result["logprobs"]) / result["seconds"] for name, result in results.items()}
    fastest = {
        dtype: max((name for name in HARNESS if dtype in name), key=rate.__getitem__) for dtype in DTYPES
    }
    exact = "lm-eval float32 batch 1"
    return {
        "questions_per_second": rate,
        "fastest_harness": fastest,
        "times_harness_same_precision": {
            dtype: rate[f"ours {dtype}"] / rate[fastest[dtype]] for dtype in DTYPES
        },
        "times_harness_defaults": {name: rate[name] / rate["lm-eval bfloat16 batch 1"] for name in OURS},
        "times_fastest_harness": {name: rate[name] / max(rate[peer] for peer in HARNESS) for name in OURS},
        "agreement_with_exact": {name: agreement(results, name, exact) for name in results},
    }


def main() -> None:
    parser = arguments(__doc__, "choice.json")
    parser.add_argument("--data", type=Path, help="folder with validation.jsonl in ARC's form; default: made")
    parser.add_argument("--rows", type=int, default=100)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.rows_file, options.student, options.output)
        return
    rows = read(options.data, options.rows) if options.data else synthetic(options.rows)
    report = conditions(options.data, len(rows))
    with tempfile.TemporaryDirectory() as name:
        path = write_rows(Path(name) / "rows.jsonl", rows)
        results = {
            contender: run_alone(__file__, contender, path, options.student)
            for contender in (*OURS, *HARNESS)
        }
    publish(report | summarize(results), options.output)


if __name__ == "__main__":
    main()
