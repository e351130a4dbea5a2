"""The licences that an SBOM names, one line for each package."""

from __future__ import annotations

from typing import Any

CLASSIFIER = "License :: "


def licence_table(sbom: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Package, version and licence, by name; the licence is `unknown` where the package names none."""
    return sorted(
        (each["name"], each.get("version", ""), licence_of(each)) for each in sbom.get("components", [])
    )


def licence_of(component: dict[str, Any]) -> str:
    """SPDX expression, SPDX id or name; a text in place of a name is cut."""
    names = []
    for entry in component.get("licenses", []):
        licence = entry.get("license", {})
        name = entry.get("expression") or licence.get("id") or licence.get("name") or ""
        if name.startswith("declared license of"):
            continue
        names.append(name.removeprefix(CLASSIFIER).removeprefix("OSI Approved :: ").splitlines()[0][:80])
    # the most exact one comes first; classifiers repeat it
    return names[0] if names else "unknown"


def to_markdown(table: list[tuple[str, str, str]]) -> str:
    """The table as a page."""
    lines = ["| package | version | licence |", "|---|---|---|"]
    return (
        "\n".join([*lines, *(f"| {name} | {version} | {licence} |" for name, version, licence in table)])
        + "\n"
    )
