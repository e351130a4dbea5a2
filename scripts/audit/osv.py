"""Known vulnerabilities from a copy of the OSV database, which needs no network.

The copy is https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip, a JSON file for each vulnerability
(https://ossf.github.io/osv-schema/).
"""

from __future__ import annotations

import json
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

Record = dict[str, Any]


def read_database(path: Path) -> dict[str, list[Record]]:
    """Package -> the vulnerabilities that name it.

    Raises:
        OSError, zipfile.BadZipFile: the file cannot be read.
    """
    by_package: defaultdict[str, list[Record]] = defaultdict(list)
    for record in _records(path):
        if record.get("withdrawn"):
            continue
        for name in {
            canonicalize_name(affected["package"]["name"])
            for affected in record.get("affected", [])
            if affected.get("package", {}).get("ecosystem") == "PyPI"
        }:
            by_package[name].append(record)
    return by_package


def _records(path: Path) -> Iterator[Record]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".json"):
                yield json.loads(archive.read(name))


def is_affected(record: Record, package: str, version: str) -> bool:
    """Whether a version of a package has a vulnerability."""
    return any(
        version in affected.get("versions", [])
        or any(_within(each, version) for each in affected.get("ranges", []))
        for affected in record.get("affected", [])
        if canonicalize_name(affected.get("package", {}).get("name", "")) == canonicalize_name(package)
    )


def _within(versions: Record, version: str) -> bool:
    """Whether a range has a version. Its events are in order; ranges of commits say nothing of releases."""
    if versions.get("type") != "ECOSYSTEM":
        return False
    affected, here = False, Version(version)
    for event in versions["events"]:
        ((kind, at),) = event.items()
        try:
            reached = at == "0" or here >= Version(at)
        except InvalidVersion:
            continue
        if kind == "introduced" and reached:
            affected = True
        elif (kind == "fixed" and reached) or (kind == "last_affected" and reached and here != Version(at)):
            affected = False
    return affected


def fixed_in(record: Record) -> str:
    """The versions that have the fix, as far as the record says."""
    fixes = [
        event["fixed"]
        for affected in record.get("affected", [])
        for each in affected.get("ranges", [])
        if each.get("type") == "ECOSYSTEM"
        for event in each["events"]
        if "fixed" in event
    ]
    return ", ".join(sorted(set(fixes))) or "none yet"
