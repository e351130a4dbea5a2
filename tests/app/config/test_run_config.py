"""The config file: what it may say, and how a mistake is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from app.config.run_config import RunConfig, known_keys, load_config, parse_config
from app.engine.run_folder import differences
from app.errors import ConfigError
from graphs.context import Context
from tests.app.config.config_files import GOOD, load, refused


def test_relative_paths_count_from_the_file(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD)
    here = tmp_path / "here"
    assert config.data.train == here / "rows/a.jsonl"
    assert config.data.test == Path("/far/c.jsonl")
    assert config.output == here / "runs/first"
    assert config.teacher
    assert config.teacher.ledger == tmp_path / "paid.sqlite"
    for name, place in {
        "./models/e5": str(here / "models/e5"),
        "intfloat/e5-base": "intfloat/e5-base",
    }.items():
        assert load(tmp_path, GOOD | {"embedder": name}).embedder == place


POOL: dict[str, Any] = GOOD | {"data": GOOD["data"] | {"unlabeled": "logs.jsonl"}}


def test_half_of_the_rows_of_pada_are_unlabelled_ones_where_there_are_some(tmp_path: Path) -> None:
    config = load(tmp_path, POOL)
    assert config.data.unlabeled == tmp_path / "here/logs.jsonl"
    assert config.loop.sources == {"generated": 0.5, "unlabeled": 0.5}
    assert load(tmp_path, GOOD).loop.sources is None
    assert load(tmp_path, POOL | {"loop": {"sources": ["generated"]}}).loop.sources == {"generated": 1.0}
    assert load(tmp_path, POOL | {"loop": {"method": "auggpt"}}).loop.sources is None
    hub = load(tmp_path, GOOD | {"data": {"hub": True, "unlabeled": "logs.jsonl"}})
    assert hub.data.unlabeled == tmp_path / "here/logs.jsonl"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"student": {"model": "builtin:smollm"}},
            "student.model: there is no 'builtin:smollm'; there is builtin:smol",
        ),
        ({"embedder": "builtin:mpnet"}, "embedder: there is no 'builtin:mpnet'; there is builtin:minilm"),
    ],
)
def test_an_embedded_model_that_is_not_there_is_refused_as_the_file_is_read(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    assert message in refused(tmp_path, GOOD | change)


@pytest.mark.parametrize(
    ("loop", "key"),
    [
        ({"sources": ["unlabeled"]}, "loop.sources: `unlabeled`"),
        ({"method": "active"}, "loop.method: `active`"),
    ],
)
def test_unlabelled_rows_need_a_file(tmp_path: Path, loop: dict[str, Any], key: str) -> None:
    message = refused(tmp_path, GOOD | {"loop": loop})
    assert f"{key} needs rows without answers; name their file as `data.unlabeled`." in message


def test_the_place_of_unlabelled_rows_is_free_while_a_run_goes_on(tmp_path: Path) -> None:
    moved = POOL | {"data": POOL["data"] | {"unlabeled": "elsewhere/logs.jsonl"}}
    assert differences(load(tmp_path, POOL).identity(), load(tmp_path, moved).identity()) == []
    assert differences(load(tmp_path, POOL).identity(), load(tmp_path, GOOD).identity())


def test_a_task_of_your_own_is_looked_for_beside_the_file(tmp_path: Path) -> None:
    here = tmp_path / "here"
    own = GOOD | {"task": "my_task:Mine"}
    assert load(tmp_path, own).task_folder == here
    assert load(tmp_path, own | {"task_folder": "../tasks"}).task_folder == tmp_path / "tasks"
    assert load(tmp_path, GOOD).task_folder is None


def test_a_task_may_move_while_a_run_goes_on(tmp_path: Path) -> None:
    own = GOOD | {"task": "my_task:Mine"}
    before, after = (load(tmp_path, own | {"task_folder": folder}) for folder in ("old", "new"))
    assert differences(before.identity(), after.identity()) == []


def test_a_folder_stands_for_its_three_files(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD | {"data": "rows"})
    assert config.data.validation == tmp_path / "here/rows/validation.jsonl"
    limited = load(tmp_path, GOOD | {"data": {"folder": "rows", "limit": 20}})
    assert limited.data.limit.train == 20
    assert limited.data.train == tmp_path / "here/rows/train.jsonl"


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("builtin:smollm2-135m", "builtin:smollm2-135m"),
        ("owner/name", "owner/name"),
        ("./mine", "{here}/mine"),
        ("there", "{here}/there"),
        ("weights/x.gguf", "{here}/weights/x.gguf"),
        ("/abs/model", "/abs/model"),
    ],
)
def test_a_student_that_is_a_file_or_folder_has_a_whole_path(
    tmp_path: Path, model: str, expected: str
) -> None:
    (tmp_path / "here" / "there").mkdir(parents=True)
    config = load(tmp_path, GOOD | {"student": {"model": model}})
    assert config.student.model == expected.format(here=tmp_path / "here")


def test_nodes_read_the_context_alone(tmp_path: Path) -> None:
    context = load(tmp_path, GOOD | {"seed": 5, "loop": {"rounds": 2}}).context()
    assert type(context) is Context
    assert (context.seed, context.loop.rounds, context.task) == (5, 2, "classification")


def test_identity_leaves_out_where_the_teacher_is_and_what_it_may_cost(tmp_path: Path) -> None:
    first = load(tmp_path, GOOD)
    moved = load(
        tmp_path,
        GOOD
        | {"output": "x", "budget": {"max_calls": 3}, "teacher": {"base_url": "http://b", "model": "other"}},
    )
    assert first.identity() == moved.identity()
    assert first.identity() != load(tmp_path, GOOD | {"seed": 1}).identity()


def test_differences_name_the_key() -> None:
    old = {"seed": 0, "loop": {"rounds": 2, "qc": True}, "gone": 1}
    assert differences(old, {"seed": 0, "loop": {"rounds": 3, "qc": True}, "new": 2}) == [
        "loop.rounds was 2, is 3",
        "gone was 1, is None",
        "new was None, is 2",
    ]
    assert differences(old, old) == []


def test_known_keys_of_a_section() -> None:
    assert {"task", "data", "teacher", "budget", "loop", "student"} <= set(known_keys(RunConfig, ()))
    assert {"r", "alpha"} <= set(known_keys(RunConfig, ("student", "lora")))
    assert "max_retries" in known_keys(RunConfig, ("teacher",))
    assert "temperature" in known_keys(RunConfig, ("teacher", "judge"))
    assert known_keys(RunConfig, ("seed",)) == []
    assert known_keys(RunConfig, ("nothing", "at all")) == []


def test_a_settled_config_is_a_config(tmp_path: Path) -> None:
    """The run's folder keeps it, and `pada review` reads it again."""
    config = load(tmp_path, GOOD | {"seed": 3})
    again = parse_config(yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json"))), "again", tmp_path)
    assert again == config


def test_a_description_may_be_a_file_beside_the_config(tmp_path: Path) -> None:
    (tmp_path / "task.md").write_text("Sort messages.\n", encoding="utf-8")
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(GOOD | {"task_description": {"file": "task.md"}}), encoding="utf-8")
    assert load_config(path).task_description == "Sort messages."


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, ": there is no such file"),
        (b"  \n", " is empty; describe the task"),
        (b"\xff\xfe\x00", ", line 1: byte 0xff is not UTF-8"),
    ],
)
def test_a_description_that_cannot_be_read_is_one_error(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "task.md").write_bytes(content)
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(GOOD | {"task_description": {"file": "task.md"}}), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"run\.yaml: task_description\.file: .*task\.md{said}"):
        load_config(path)


def test_a_document_without_a_file_of_its_own_cannot_name_one(tmp_path: Path) -> None:
    """A config that comes over HTTP must not have a file of the service read."""
    document = GOOD | {"task_description": {"file": "/etc/hostname"}}
    with pytest.raises(ConfigError, match="task_description: input should be a valid string"):
        parse_config(document, "request", tmp_path)


def test_descriptions_of_labels_are_bounded_because_every_call_carries_them(tmp_path: Path) -> None:
    said = refused(tmp_path, GOOD | {"label_descriptions": {"refund": "x" * 20_000}})
    assert "label_descriptions: at most 20,000 characters together, not 20,006" in said
