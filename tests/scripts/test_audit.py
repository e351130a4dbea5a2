"""Vulnerabilities from a copy of the OSV database, and the licences of an SBOM."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from scripts.audit.__main__ import from_database, locked
from scripts.audit.licences import licence_table, to_markdown

LOCK = "# made by a script\nFirst_Package==1.4.2\nsecond==2.0\nthird==0.9\n"


def record(identifier: str, package: str, **affected: Any) -> dict[str, Any]:
    named = {"package": {"ecosystem": "PyPI", "name": package}, **affected}
    return {"id": identifier, "summary": "It is bad.", "affected": [named]}


def within(*events: dict[str, str]) -> dict[str, Any]:
    return {"ranges": [{"type": "ECOSYSTEM", "events": list(events)}]}


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text(LOCK)
    return path


def found(tmp_path: Path, lock: Path, *records: dict[str, Any]) -> list[str]:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for each in records:
            archive.writestr(f"{each['id']}.json", json.dumps(each))
    return [line.split(":")[0] for line in from_database(locked(lock), tmp_path / "all.zip")]


def test_a_version_within_a_range_or_a_list_is_affected(tmp_path: Path, lock: Path) -> None:
    assert found(
        tmp_path,
        lock,
        record("A-1", "first-package", **within({"introduced": "1.0"}, {"fixed": "1.4.10"})),
        record("A-2", "second", versions=["1.9", "2.0"]),
        record("A-3", "third", **within({"introduced": "0"}, {"last_affected": "0.9"})),
    ) == ["First_Package 1.4.2", "second 2.0", "third 0.9"]


@pytest.mark.parametrize(
    "other",
    [
        record("B-1", "first-package", **within({"introduced": "0"}, {"fixed": "1.4.2"})),
        record("B-2", "first-package", **within({"introduced": "1.4.3"})),
        record("B-3", "first-package", **within({"introduced": "0"}, {"last_affected": "1.4.1"})),
        record("B-4", "another", versions=["1.4.2"]),
        record("B-5", "second", versions=["2.0"]) | {"withdrawn": "2026-01-01T00:00:00Z"},
        record("B-6", "second", ranges=[{"type": "GIT", "events": [{"introduced": "0"}]}]),
    ],
    ids=lambda each: str(each["id"]),
)
def test_other_versions_are_not(other: dict[str, Any], tmp_path: Path, lock: Path) -> None:
    assert found(tmp_path, lock, other) == []


def test_the_fix_is_named(tmp_path: Path, lock: Path) -> None:
    found(tmp_path, lock, record("C-1", "third", **within({"introduced": "0"}, {"fixed": "1.0"})))
    assert from_database(locked(lock), tmp_path / "all.zip") == ["third 0.9: C-1 (fixed in 1.0) It is bad."]


def test_licences_are_listed_as_exactly_as_a_package_names_them() -> None:
    components = [
        {"name": "b", "version": "2", "licenses": [{"license": {"id": "MIT"}}]},
        {"name": "a", "version": "1", "licenses": [{"expression": "Apache-2.0 OR MIT"}]},
        {"name": "d", "version": "4"},
        {
            "name": "c",
            "version": "3",
            "licenses": [{"license": {"name": "License :: OSI Approved :: BSD License"}}],
        },
    ]
    table = licence_table({"components": components})
    assert table == [
        ("a", "1", "Apache-2.0 OR MIT"),
        ("b", "2", "MIT"),
        ("c", "3", "BSD License"),
        ("d", "4", "unknown"),
    ]
    assert to_markdown(table).splitlines()[2] == "| a | 1 | Apache-2.0 OR MIT |"
