"""An embedder that does not know the rows' script, or that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.config.run_config import RunConfig
from app.prepare.checks.embedder import check_embedder
from app.prepare.checks.rows import Rows, SourceRow
from trainer.records import Example


def rows(text: str, others: int = 0) -> Rows:
    """Ten train rows with a text, and more in English."""
    texts = [text] * 10 + ["Where is my parcel?"] * others
    return {
        "train": [
            SourceRow("train", Path("train.jsonl"), line, Example(id=str(line), prompt=each, completion="x"))
            for line, each in enumerate(texts, 1)
        ]
    }


def found(given: Rows, **config: object) -> list[tuple[str, str, int]]:
    document = {"task": "classification", "data": {"folder": "rows"}} | config
    checked = check_embedder(RunConfig.model_validate(document), given)
    return [(finding.level, finding.code, finding.count) for finding in checked]


@pytest.mark.parametrize("text", ["ฉันต้องการเงินคืน 5", "मेरा कार्ड खो गया", "我的卡丢了 (Visa)"])
def test_an_embedder_that_does_not_know_the_script_is_named_once(text: str, tmp_path: Path) -> None:
    assert found(rows(text)) == [("warning", "blind_embedder", 10)]
    assert found(rows(text, others=200)) == []
    assert found(rows(text), embedder=str(tmp_path)) == []
    assert found(rows(text), loop={"method": "vanilla"}) == []


@pytest.mark.parametrize("text", ["Meine Karte fehlt, Straße 5", "12:30", "Visa ของฉัน is lost"])
def test_latin_letters_and_signs_are_no_other_script(text: str) -> None:
    assert found(rows(text)) == []


@pytest.mark.parametrize("name", ["./nowhere", "someone/nothing", "no name"])
def test_an_embedder_that_is_not_there_is_a_fault(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert found(rows("a"), embedder=name) == [("fault", "embedder", 1)]
