"""Settings for the student, found on validation with the baseline."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphs.artifacts import Trial, Tuning
from graphs.nodes.tune import best_rates, expected_seconds, tune
from tests.fakes import FakeStudent
from tests.graphs.loop_harness import Loop, new_loop
from trainer.artifacts import read_json, read_jsonl, write_jsonl
from trainer.specs import StudentSpec, TrainReport, TrainSpec


class PickyStudent(FakeStudent):
    """Answers the first label to every validation row, unless it is trained with the one learning rate that it likes."""

    likes = 0.06

    async def fine_tune(self, spec: TrainSpec) -> TrainReport:
        """See `graphs.ports.Student`."""
        report = await super().fine_tune(spec)
        if abs(spec.student.learning_rate - self.likes) > 1e-9:
            for file in spec.predict:
                rows = list(read_jsonl(file.output))
                write_jsonl(file.output, [row | {"text": "delivery"} for row in rows])
        return report


def tuned_loop(tmp_path: Path, **student: float) -> Loop:
    loop = new_loop(tmp_path, rounds=1)
    loop.student = PickyStudent()
    loop.student_spec = StudentSpec(tune="auto", learning_rate=0.02, batch_size=10, epochs=1, **student)
    return loop


def tuning(loop: Loop) -> Tuning:
    return Tuning(**read_json(loop.paths.tuning))


async def test_the_better_learning_rates_get_the_longer_trainings(tmp_path: Path) -> None:
    """40 rows in batches of 10 are 4 steps: three rates get 4, the two better ones 8, the best 16."""
    loop = tuned_loop(tmp_path)
    await loop.until("evaluate")
    trials = [(round(trial.learning_rate, 9), trial.steps) for trial in tuning(loop).trials]
    assert trials[:3] == [(0.02, 4), (0.06, 4), (0.2, 4)]
    assert (trials[3], trials[-1]) == ((0.06, 8), (0.06, 16))
    assert len(trials) == 6


async def test_all_rounds_are_trained_alike_with_what_was_chosen(tmp_path: Path) -> None:
    loop = tuned_loop(tmp_path)
    state, _ = await loop.go({})
    assert state["accepted"] > 0
    chosen = tuning(loop).chosen
    assert chosen
    # equally good with 4, 8 and 16 steps: the shortest is enough
    assert chosen.learning_rate == pytest.approx(0.06)
    assert chosen.steps == 4
    rounds = [spec.student for spec in loop.student.trained if "rounds" in spec.output.parts]
    assert len(rounds) == 2
    assert {(student.learning_rate, student.steps) for student in rounds} == {(chosen.learning_rate, 4)}
    assert not (loop.paths.root / "tuning").exists() or not list((loop.paths.root / "tuning").iterdir())


async def test_trials_see_given_rows_and_validation_alone(tmp_path: Path) -> None:
    loop = tuned_loop(tmp_path)
    await loop.until("evaluate")
    trials = [spec for spec in loop.student.trained if "tuning" in spec.output.parts]
    assert len(trials) == 6
    for spec in trials:
        assert spec.train == [loop.paths.data("train")]
        assert [file.rows for file in spec.predict] == [loop.paths.data("validation")]


async def test_a_trial_that_has_ended_is_not_done_again(tmp_path: Path) -> None:
    class Stopped(PickyStudent):
        async def fine_tune(self, spec: TrainSpec) -> TrainReport:
            """Fails at its third training."""
            if len(self.trained) == 2:
                raise ConnectionError("gone")
            return await super().fine_tune(spec)

    loop = tuned_loop(tmp_path)
    loop.student = Stopped()
    with pytest.raises(ConnectionError):
        await loop.until("evaluate")
    assert len(tuning(loop).trials) == 2
    assert tuning(loop).chosen is None
    loop.student = PickyStudent()
    await loop.go()
    assert len([spec for spec in loop.student.trained if "tuning" in spec.output.parts]) == 4
    assert len(tuning(loop).trials) == 6


async def test_a_trial_is_on_file_before_its_training_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill while the folder goes leaves a training that looks ended, without answers to score."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    loop = tuned_loop(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("graphs.nodes.tune.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            await tune(loop.context, loop.workspace())
    assert len(tuning(loop).trials) == 1
    await tune(loop.context, loop.workspace())
    assert len([spec for spec in loop.student.trained if "tuning" in spec.output.parts]) == 6


async def test_the_time_bounds_the_trials_and_one_is_done_in_any_case(tmp_path: Path) -> None:
    loop = tuned_loop(tmp_path, tune_minutes=1e-9)
    await loop.until("evaluate")
    assert len(tuning(loop).trials) == 1
    assert tuning(loop).ended_early
    assert tuning(loop).chosen == tuning(loop).trials[0]


async def test_without_tuning_the_config_is_taken(tmp_path: Path) -> None:
    loop = tuned_loop(tmp_path)
    loop.student_spec = StudentSpec(learning_rate=0.5)
    await loop.until("evaluate")
    assert [spec.student.learning_rate for spec in loop.student.trained] == [0.5]
    assert not loop.paths.tuning.exists()


@pytest.mark.parametrize(
    ("given", "tune"),
    [
        ({}, "auto"),
        ({"batch_size": 4}, "auto"),
        ({"learning_rate": 1e-3}, "off"),
        ({"steps": 10}, "off"),
        ({"epochs": 3}, "off"),
        ({"epochs": 3, "tune": "auto"}, "auto"),
        ({"tune": "off"}, "off"),
    ],
)
def test_given_settings_win(given: dict[str, object], tune: str) -> None:
    student = StudentSpec.model_validate(given)
    assert student.tune == tune
    assert StudentSpec.model_validate(student.model_dump()).tune == tune, "it is kept with all defaults"


def trial(rate: float, steps: int, validation: float) -> Trial:
    return Trial(learning_rate=rate, steps=steps, validation=validation, seconds=2.0 * steps)


def test_rates_are_ranked_by_their_best_trial() -> None:
    trials = [trial(1, 5, 0.5), trial(2, 5, 0.7), trial(1, 10, 0.8)]
    assert best_rates(trials, [1, 2, 3]) == [1, 2, 3]
    assert best_rates(trials, [3, 2]) == [2, 3]


def test_the_expected_time_is_that_of_the_trials_so_far_and_one_more() -> None:
    assert expected_seconds([trial(1, 5, 0), trial(2, 10, 0)], 20) == 30 + 40
