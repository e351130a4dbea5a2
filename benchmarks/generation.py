"""Greedy replies against a plain `generate` loop: same student, adapter and rows, each in its own process.

`python benchmarks/generation.py [--data FOLDER] [--rows N] [--train N] [--student NAME] [--output FILE]`

The script first fine-tunes a student on some train rows, so that its replies end like those of a run. Then every
contender answers the validation rows greedily. The plain loop is what people usually write: rows in file order, eight at
a time, padded on the left, `model.generate`. It runs with the adapter merged, and with the adapter as training leaves it.
The time includes tokenising, but not loading.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import arguments, conditions, publish, read_rows, run_alone, write_rows
from benchmarks.training import STUDENT, synthetic

MAX_NEW_TOKENS = 96
PLAIN_BATCH = 8
DTYPES = ("float32", "bfloat16")
OURS = [f"ours {dtype}" for dtype in DTYPES]
MERGED = [f"plain {dtype} merged" for dtype in DTYPES]
ADAPTER = "plain bfloat16 adapter"
"""The student as training leaves it."""


def student_of(model: str, dtype: str) -> Any:
    from trainer.specs import StudentSpec

    return StudentSpec.model_validate(
        STUDENT | {"model": model, "dtype": dtype, "max_new_tokens": MAX_NEW_TOKENS}
    )


def train(model: str, rows: Path) -> dict[str, Any]:
    """Train two epochs on the rows; returns the adapter's folder."""
    from trainer.finetune import finetune
    from trainer.progress import ProgressLog
    from trainer.specs import TrainSpec

    student = STUDENT | {"model": model, "epochs": 2.0, "learning_rate": 5e-4}
    spec = TrainSpec.model_validate(
        {
            "task": "exact_match",
            "student": student,
            "train": [rows],
            "output": rows.with_name("student"),
            "seed": 0,
        }
    )
    finetune(spec, ProgressLog(rows.with_name("progress.jsonl")))
    return {"adapter": str(spec.output / "adapter")}


def answer_ours(name: str, rows: Path, adapter: Path, dtype: str) -> dict[str, Any]:
    import torch

    from trainer.engines import local_engine
    from trainer.merged import ready
    from trainer.model import load_model, load_tokenizer
    from trainer.predict import Counter
    from trainer.predictor import Predictor
    from trainer.progress import ProgressLog
    from trainer.tasks import load_task

    student, task = student_of(name, dtype), load_task("exact_match")
    model = load_model(student, adapter, trainable=False, dtype=torch.bfloat16)
    tokenizer, examples = load_tokenizer(student), task.load(rows)
    start = time.perf_counter()
    with ready(model, student):
        done = Counter(ProgressLog(rows, enabled=False), len(examples))
        predictor = Predictor(local_engine(model, student), tokenizer, task, student, done)
        predictions, _ = predictor.answer(examples)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "answers": [prediction.text for prediction in predictions]}


def answer_plain(name: str, rows: Path, adapter: Path, dtype: str, *, merged: bool) -> dict[str, Any]:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from trainer.weights import resolve_model

    source = resolve_model(name)
    tokenizer = AutoTokenizer.from_pretrained(source, padding_side="left")
    base = AutoModelForCausalLM.from_pretrained(source, dtype=getattr(torch, dtype))
    model = PeftModel.from_pretrained(base, adapter).eval()
    if merged:
        model = model.merge_and_unload()
    prompts = [row["prompt"] for row in read_rows(rows)]
    answers = []
    start = time.perf_counter()
    with torch.inference_mode():
        for first in range(0, len(prompts), PLAIN_BATCH):
            chats = [[{"role": "user", "content": prompt}] for prompt in prompts[first : first + PLAIN_BATCH]]
            inputs = tokenizer.apply_chat_template(
                chats, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
            )
            out = model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
            answers += tokenizer.batch_decode(
                out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True
            )
    return {"seconds": time.perf_counter() - start, "answers": answers}


def work(name: str, model: str, rows: Path, output: Path) -> None:
    """Runs in its own process: the training, or one contender."""
    adapter = rows.with_name("student") / "adapter"
    match name.split():
        case ["train"]:
            result = train(model, rows)
        case ["ours", dtype]:
            result = answer_ours(model, rows, adapter, dtype)
        case ["plain", dtype, form]:
            result = answer_plain(model, rows, adapter, dtype, merged=form == "merged")
    output.write_text(json.dumps(result))


def summarize(results: dict[str, dict[str, Any]], count: int) -> dict[str, Any]:
    """Rates, ratios in the same precision, and the share of rows with the same answer."""
    rate = {name: count / result["seconds"] for name, result in results.items()}
    exact = results["plain float32 merged"]["answers"]
    pairs = dict(zip(OURS, MERGED, strict=True))
    return {
        "rows_per_second": rate,
        "times_plain_same_precision": {ours: rate[ours] / rate[plain] for ours, plain in pairs.items()},
        "times_plain_adapter": {ours: rate[ours] / rate[ADAPTER] for ours in OURS},
        "same_answers_as_plain_float32": {
            name: sum(one == other for one, other in zip(result["answers"], exact, strict=True)) / count
            for name, result in results.items()
        },
    }


def main() -> None:
    parser = arguments(__doc__, "generation.json")
    parser.add_argument(
        "--data", type=Path, help="folder with train.jsonl and validation.jsonl; default: made"
    )
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--train", type=int, default=96, help="rows that the student learns from")
    options = parser.parse_args()
    if options.work:
        work(options.work, options.student, options.rows_file, options.output)
        return
    if options.data:
        train_rows = read_rows(options.data / "train.jsonl", options.train)
        rows = read_rows(options.data / "validation.jsonl", options.rows)
    else:
        made = synthetic(options.train + options.rows)
        train_rows, rows = made[: options.train], made[options.train :]
    report = conditions(options.data, len(rows))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_alone(__file__, "train", write_rows(folder / "train.jsonl", train_rows), options.student)
        path = write_rows(folder / "rows.jsonl", rows)
        results = {
            contender: run_alone(__file__, contender, path, options.student)
            for contender in (*OURS, *MERGED, ADAPTER)
        }
    publish(report | summarize(results, len(rows)), options.output)


if __name__ == "__main__":
    main()
