"""The file of a comparison: what is wrong with it, and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from app.compare.spec import CompareSpec, load_comparison
from app.errors import ConfigError
from tests.app.compare.comparing import write_comparison
from tests.scripted_teacher_server import ScriptedTeacherServer
from tests.tiny_task import config_for


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"methods": []}, "compare.methods: "),
        ({"methods": ["random", "random"]}, "compare.methods: random is there more than once"),
        ({"seeds": [1, 1]}, "compare.seeds: 1 is there more than once"),
        ({"methods": ["best"]}, "in method best: loop.method"),
        ({"methods": [{"name": "x/../y"}]}, "compare.methods.0.name"),
        ({"methods": [{"name": "no-qc", "loop": {"qx": False}}]}, "in method no-qc: loop.qx: unknown key"),
        ({"methods": [{"name": "asks", "loop": {"review": True}}]}, "in method asks: loop.review"),
        ({"sedes": [1]}, "compare.sedes: unknown key; did you mean `seeds`?"),
        ({"method": ["pada"]}, "compare.method: unknown key; did you mean `methods`?"),
    ],
)
def test_a_wrong_file_is_one_error_that_names_the_key(
    tmp_path: Path, data: Path, scripted_teacher: ScriptedTeacherServer, change: dict[str, Any], said: str
) -> None:
    path = write_comparison(tmp_path, data, scripted_teacher, **change)
    with pytest.raises(ConfigError) as caught:
        load_comparison(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_a_file_without_the_section_says_what_to_add(
    tmp_path: Path, data: Path, scripted_teacher: ScriptedTeacherServer
) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(config_for(data, "builtin:smollm2-135m", scripted_teacher.url)))
    with pytest.raises(ConfigError, match=r"compare: missing; give `compare\.methods`"):
        load_comparison(path)


def test_equal_epochs_and_a_number_of_steps_contradict(
    tmp_path: Path, data: Path, scripted_teacher: ScriptedTeacherServer
) -> None:
    path = write_comparison(tmp_path, data, scripted_teacher, training="equal_epochs")
    assert load_comparison(path).steps(40) is None
    document = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(document | {"student": document["student"] | {"steps": 9}}))
    with pytest.raises(ConfigError, match=r"compare\.yaml: student\.steps: .*give `student\.epochs`"):
        load_comparison(path)


def test_the_reference_is_named_or_else_pada() -> None:
    arms = ["random", {"name": "chosen", "loop": {"method": "random", "oversample": 2}}]
    assert CompareSpec(methods=["pada", *arms]).reference == "pada"
    assert CompareSpec(methods=["pada", *arms], against="chosen").reference == "chosen"
    assert CompareSpec(methods=arms).reference is None
    with pytest.raises(
        ValidationError, match="`against: chose` is none of the methods; take one of vanilla, random"
    ):
        CompareSpec(methods=arms, against="chose")
