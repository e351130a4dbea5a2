"""From analyses to named patterns."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphs.context import LoopSpec
from graphs.nodes.find_patterns import find_patterns, pattern_count
from tests.graphs.loop_harness import new_loop


async def test_every_analysed_failure_is_in_one_pattern(tmp_path: Path) -> None:
    loop = new_loop(tmp_path)
    state = await loop.until("find_patterns")
    update = await find_patterns(state, loop.runtime, workspace=loop.workspace())
    patterns, clusters = loop.round(1).patterns(), loop.round(1).clusters()
    assert update == {"patterns": list(patterns)} == {"patterns": [f"r1-p{n}" for n in range(len(patterns))]}
    analysed = loop.round(0).failures_to_analyze()
    assert sorted(name for pattern in patterns.values() for name in pattern.failures) == sorted(analysed)
    assert clusters is not None
    assert clusters.k == len(patterns) > 1
    assert clusters.sizes == [len(pattern.failures) for pattern in patterns.values()]
    assert {point.id: f"r1-p{point.cluster}" for point in clusters.points} == {
        name: pattern.id for pattern in patterns.values() for name in pattern.failures
    }


async def test_a_pattern_is_named_from_analyses_and_sees_no_row(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, members_near=3, members_far=1)
    state = await loop.until("find_patterns")
    await find_patterns(state, loop.runtime, workspace=loop.workspace())
    asked = loop.teacher.asked("FailurePattern")
    assert len(asked) == len(loop.round(1).patterns())
    for data in asked:
        assert set(data) == {"task", "analyses"}
        assert 1 <= len(data["analyses"]) <= 4
        assert all(set(analysis) == {"root_cause", "scenario"} for analysis in data["analyses"])


async def test_a_pattern_without_a_name_is_called_what_one_of_its_cases_says(tmp_path: Path) -> None:
    loop = new_loop(tmp_path)
    state = await loop.until("find_patterns")
    loop.teacher.change = lambda schema, data, reply: reply | {"name": " "}
    await find_patterns(state, loop.runtime, workspace=loop.workspace())
    for pattern in loop.round(1).patterns().values():
        causes = [loop.round(1).analysis(name).root_cause for name in pattern.failures]
        assert any(cause.startswith(pattern.name.removesuffix(" ...")) for cause in causes)
        assert pattern.name.strip()


async def test_few_failures_are_one_pattern(tmp_path: Path) -> None:
    loop = new_loop(tmp_path, max_analyses=5, min_cluster_errors=6)
    state = await loop.until("find_patterns")
    await find_patterns(state, loop.runtime, workspace=loop.workspace())
    (pattern,) = loop.round(1).patterns().values()
    assert sorted(pattern.failures) == sorted(loop.round(0).failures_to_analyze())


@pytest.mark.parametrize(
    ("failures", "per_pattern", "patterns"), [(10, None, None), (10, 3.0, 4), (9, 1.0, 9)]
)
def test_how_many_patterns_the_config_asks_for(
    failures: int, per_pattern: float | None, patterns: int | None
) -> None:
    """10 failures, 3 to a pattern: 4 patterns, because the last one may be smaller."""
    assert pattern_count(failures, LoopSpec(errors_per_pattern=per_pattern)) == patterns
