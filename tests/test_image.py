"""The image's recipe: what it copies is there, and what it runs is what `make` runs."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
RECIPE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def copied() -> list[str]:
    """Sources of COPY from the checkout."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", RECIPE, re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


def test_each_source_exists_and_reaches_the_builder() -> None:
    sources = copied()
    assert {"app", "graphs", "prompts", "trainer", "pyproject.toml"} <= set(sources)
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in let_in), source


def test_every_package_of_the_project_is_copied() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert packages <= set(copied())


def test_it_is_set_up_by_the_script_that_make_uses() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "scripts/setup" in makefile
    assert re.search(r"^RUN .*scripts/setup", RECIPE, re.MULTILINE)


def test_both_stages_stand_on_one_base() -> None:
    """The environment that the first one makes is bound to its Python."""
    assert re.findall(r"^FROM (\S+)", RECIPE, re.MULTILINE) == ["${BASE}", "${BASE}"]


def test_a_read_only_root_has_the_bytecode() -> None:
    (packages,) = re.findall(r"-m compileall -q (.+)$", RECIPE, re.MULTILINE)
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"} <= set(
        packages.split()
    )


def test_it_lists_its_own_packages() -> None:
    (line,) = re.findall(r"cyclonedx-py environment .*--output-file (\S+) (\S+)", RECIPE)
    assert line == ("sbom.json", ".venv/bin/python"), "in the folder that the last stage copies"
    assert "COPY --from=build /opt/pada /opt/pada" in RECIPE


def test_it_runs_as_a_user_without_rights_and_drains_on_sigterm() -> None:
    last = RECIPE.rpartition("FROM ")[2]
    assert re.search(r"^USER (?!root|0)\w+", last, re.MULTILINE)
    assert "STOPSIGNAL SIGTERM" in last
    assert '"tini"' in last
    assert "HEALTHCHECK" in last


def test_the_compose_file_leaves_time_to_drain() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    for name in ("pada", "pada-cpu"):
        assert int(services[name]["stop_grace_period"].rstrip("s")) >= 30
        assert services[name]["read_only"] is True
    assert services["pada"]["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
