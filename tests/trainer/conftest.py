"""Students for the tests: a random one with two layers, so that tests take seconds, and the embedded one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.random_students import make_student
from tests.trainer.sandbox.sandboxes import AVAILABLE_KINDS
from tests.trainer.trainings import WriteSpec, spec_writer
from trainer.sandbox.launch import Kind, best_kind

COLOURS = ("red", "green", "blue", "white")
THINGS = ("door", "boat", "lamp", "chair", "stone", "roof", "cup", "tent")


@pytest.fixture(scope="session")
def student_folder() -> Path:
    """The embedded student, converted."""
    from trainer.weights import resolve_model

    return Path(resolve_model("builtin:smollm2-135m"))


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    from trainer.model import load_tokenizer
    from trainer.specs import StudentSpec

    return load_tokenizer(StudentSpec())


@pytest.fixture(scope="session")
def tiny_student(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    """A random Llama with the embedded student's tokenizer."""
    folder = tmp_path_factory.mktemp("students") / "tiny"
    return make_student("Llama", folder, tokenizer, tie_word_embeddings=True)


@pytest.fixture
def write_spec(tmp_path: Path, tiny_student: Path, colours: Path) -> WriteSpec:
    """Writes a spec for the tiny student; returns its path and the output folder."""
    return spec_writer(tmp_path, tiny_student, colours)


@pytest.fixture(scope="module")
def tiny(tiny_student: Path) -> Any:
    """The random student in float32, and its tokenizer."""
    from trainer.model import load_model, load_tokenizer
    from trainer.specs import StudentSpec

    student = StudentSpec(model=str(tiny_student), dtype="float32")
    return load_model(student, trainable=False), load_tokenizer(student)


@pytest.fixture(scope="module")
def tiny_model(tiny: Any) -> Any:
    """The random student in float32."""
    return tiny[0]


@pytest.fixture(scope="module")
def real(student_folder: Path) -> Any:
    """The embedded student in float32, and its tokenizer."""
    from trainer.model import load_model, load_tokenizer
    from trainer.specs import StudentSpec

    student = StudentSpec(model=str(student_folder), dtype="float32")
    return load_model(student, trainable=False), load_tokenizer(student)


@pytest.fixture(scope="session")
def colour_rows() -> list[dict[str, str]]:
    """32 rows whose completions have one to three tokens and whose prompts differ in length."""
    return [
        {
            "id": f"{colour}-{thing}",
            "prompt": f"Which colour does the {' small' * (turn % 4)} {thing} have, if it is {colour}?",
            "completion": f"{colour} {thing}" if turn % 2 else colour,
        }
        for turn, (colour, thing) in enumerate((colour, thing) for colour in COLOURS for thing in THINGS)
    ]


@pytest.fixture
def colours(tmp_path: Path, colour_rows: list[dict[str, str]]) -> Path:
    """The rows as a file."""
    path = tmp_path / "colours.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in colour_rows), encoding="utf-8")
    return path


KINDS: list[Kind | None] = [*AVAILABLE_KINDS] or [None]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of sandbox that this machine has. If it has none, the fixture fails and says what to install."""
    kind: Kind | None = request.param
    return kind or best_kind()
