"""Tasks are loaded by name, and a user's own by `module:object`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from trainer.data_files import DataError
from trainer.records import Example, Prediction
from trainer.tasks import Task, add_task_folder, known_tasks, load_task

MINE = """
from trainer.records import Score
from trainer.tasks import Task

class Shout(Task):
    metric = "shouting"
    def score(self, example, prediction):
        right = prediction.text == example.completion.upper()
        return Score(id=example.id, value=right, correct=right, explanation="")

shout = Shout()
"""


def test_known_tasks() -> None:
    names = {"classification", "exact_match", "extractive_qa", "json_fields", "multiple_choice"}
    assert names | {"multiple_choice_loglikelihood"} <= set(known_tasks())


def test_every_task_loads_scores_and_sums_up_as_json() -> None:
    row = Example(id="a", prompt="Which?\nA. one\nB. two", completion="A")
    answer = Prediction(id="a", text="A")
    for name in known_tasks():
        task = load_task(name, [row])
        assert task.name == name
        assert 0 <= task.score(row, answer).value <= 1
        json.dumps(task.summarize([row], [answer]), allow_nan=False)
        json.dumps(task.summarize([], []), allow_nan=False)


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        DataError, match=r"no task 'clasification'. Use one of .*classification, exact_match,"
    ):
        load_task("clasification")


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shouting_task.py").write_text(MINE)
    (tmp_path / "broken_task.py").write_text("import no_such_module_here")
    (tmp_path / "ending_task.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.mark.usefixtures("own_module")
def test_own_task_from_the_current_folder() -> None:
    task = load_task("shouting_task:Shout")
    assert task.score(Example(id="a", prompt="p", completion="x"), Prediction(id="a", text="X")).correct
    assert isinstance(task, Task)


@pytest.mark.usefixtures("own_module")
def test_own_task_from_another_folder_after_the_python_path(tmp_path: Path) -> None:
    folder, python_path = tmp_path / "elsewhere", set(sys.path)
    folder.mkdir()
    (folder / "distant_task.py").write_text(MINE)
    with pytest.raises(DataError, match=r"'distant_task' cannot be imported.*beside the config"):
        load_task("distant_task:Shout")
    add_task_folder(folder)
    assert isinstance(load_task("distant_task:Shout"), Task)
    assert sys.path.index(str(folder)) > max(map(sys.path.index, python_path))


@pytest.mark.usefixtures("own_module")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shouting_task:Whisper", "has no 'Whisper'"),
        ("shouting_task:shout", "is not a subclass of trainer.tasks.base.Task"),
        ("shouting_task:Score", "is not a subclass"),
        ("no_such_task:Shout", "'no_such_task' cannot be imported"),
        ("broken_task:Shout", "No module named 'no_such_module_here'"),
        ("ending_task:Shout", r"cannot be imported \(SystemExit: 7\)"),
        (":Shout", "cannot be imported"),
        ("shouting_task:", "has no ''"),
    ],
)
def test_own_task_that_cannot_be_used(name: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_task(name)


def test_no_task_needs_torch() -> None:
    code = "import sys, trainer.tasks as t; t.known_tasks(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


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
