"""A merged student as a `.gguf` file, loaded again and compared: `python -m trainer.to_gguf SPEC.json`."""

from __future__ import annotations

import sys
from pathlib import Path

from trainer.artifacts import write_json, write_jsonl, write_text
from trainer.data import Encoder, reply_limit, stop_tokens
from trainer.data_files import DataError, read_examples
from trainer.gguf_file import GgufError, explained, write_gguf
from trainer.gguf_spec import GgufReport, GgufSpec
from trainer.llama_cpp import MISSING, LlamaCppError, installed, loaded
from trainer.model import load_tokenizer
from trainer.modelfile import modelfile
from trainer.predictor import Predictor
from trainer.program import run_spec
from trainer.tasks import add_task_folder, load_task
from trainer.weights import ModelError

KNOWN = (DataError, GgufError, LlamaCppError, ModelError, OSError)


def main(arguments: list[str]) -> int:
    """Run one spec file; returns the exit code."""
    return run_spec(
        "to_gguf", GgufSpec, lambda spec: write_json(spec.report, convert(spec)), KNOWN, arguments
    )


def convert(spec: GgufSpec) -> GgufReport:
    """Write the file, and have llama.cpp answer the rows with it.

    Raises:
        GgufError: the architecture or the tokenizer is not supported, or the file's tokenizer works otherwise.
        LlamaCppError: llama.cpp cannot load the file.
        DataError: the rows or the task cannot be used.
        ModelError: the merged folder cannot be read.
        OSError: a file cannot be written.
    """
    if spec.task_folder:
        add_task_folder(spec.task_folder)
    task = load_task(spec.task, [example for path in spec.train for example in read_examples(path)])
    tokenizer = load_tokenizer(spec.student)
    encoder = Encoder(task, tokenizer, spec.student)
    folder, limit = Path(spec.student.model), reply_limit(task, spec.student)
    with explained():
        write_gguf(folder, spec.output, spec.quantization, end_of_reply=encoder.end, name=spec.name)
    if spec.modelfile:
        stops = stop_tokens(tokenizer, spec.student)
        write_text(spec.modelfile, modelfile(spec.output.name, tokenizer, spec.student, stops, limit))
    if spec.rows is None:
        return GgufReport(not_compared="no rows were asked for")
    examples = task.load(spec.rows)
    if not installed():
        return GgufReport(not_compared=MISSING)
    if any(task.render(example).choices for example in examples):
        return GgufReport(
            not_compared="the task takes the likeliest of given choices, which llama.cpp's server does not score"
        )
    with loaded(spec.output, tokenizer, spec.student.max_length + limit) as engine:
        predictor = Predictor(engine, tokenizer, task, spec.student, lambda rows: None)
        predictions, _ = predictor.answer(examples)
    if engine.other_tokens:
        raise GgufError(
            f"llama.cpp cuts {engine.other_tokens} of {len(examples)} prompts into other tokens than the student's tokenizer, so "
            "its answers would differ. Serve the merged folder with `--to vllm --merged` instead."
        )
    write_jsonl(spec.predictions, predictions)
    return GgufReport()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
