"""`make audit`: see `scripts/audit/__init__.py` and docs/guides/operations.md.

python -m scripts.audit                     vulnerabilities from pypi.org, by pip-audit: needs a network
python -m scripts.audit --osv all.zip       from a copy of the OSV database: needs none
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

from scripts.audit.licences import licence_table, to_markdown
from scripts.audit.osv import fixed_in, is_affected, read_database

ROOT = Path(__file__).resolve().parents[2]
NO_NETWORK = (
    "pip-audit was told nothing by the package index, so nothing is known of vulnerabilities. It needs pypi.org itself; "
    "a mirror seldom knows them. Without a network give a copy of the OSV database: `make audit OSV=all.zip` "
    "(https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip)."
)


def locked(path: Path) -> dict[str, str]:
    """Package -> version of a requirements file with exact versions."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(pins)


def from_database(pins: dict[str, str], path: Path) -> list[str]:
    """A line for each vulnerability of a locked version, from a copy of the OSV database."""
    from packaging.utils import canonicalize_name

    known = read_database(path)
    return [
        f"{name} {version}: {record['id']} (fixed in {fixed_in(record)}) {record.get('summary', '')}".rstrip()
        for name, version in pins.items()
        for record in known.get(canonicalize_name(name), [])
        if is_affected(record, name, version)
    ]


def from_index(requirements: Path) -> list[str]:
    """The same from the package index, by pip-audit.

    Raises:
        SystemExit: the index says nothing.
    """
    command = [
        sys.executable,
        "-m",
        "pip_audit",
        "--requirement",
        str(requirements),
        "--no-deps",
        "--disable-pip",
    ]
    done = subprocess.run([*command, "--format", "json"], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        sys.stderr.write(done.stderr)
        raise SystemExit(f"audit: {NO_NETWORK}") from None
    audited = [package for package in packages if "vulns" in package]
    if not audited:
        raise SystemExit(f"audit: {NO_NETWORK}")
    for package in packages:
        if "skip_reason" in package:
            print(f"not audited: {package['name']}: {package['skip_reason']}")
    return [
        f"{package['name']} {package['version']}: {each['id']} (fixed in {', '.join(each['fix_versions']) or 'none yet'})"
        for package in audited
        for each in package["vulns"]
    ]


def write_inventory(folder: Path) -> None:
    """The SBOM of this environment in CycloneDX's format, and the licences that it names."""
    folder.mkdir(parents=True, exist_ok=True)
    sbom = folder / "sbom.json"
    command = [
        sys.executable,
        "-m",
        "cyclonedx_py",
        "environment",
        "--output-reproducible",
        "--output-file",
        str(sbom),
    ]
    subprocess.run([*command, "--pyproject", str(ROOT / "pyproject.toml"), sys.executable], check=True)
    table = licence_table(json.loads(sbom.read_text(encoding="utf-8")))
    (folder / "licences.md").write_text(to_markdown(table), encoding="utf-8")
    unknown = [name for name, _, licence in table if licence == "unknown"]
    print(f"{len(table)} packages: {sbom}, {folder / 'licences.md'}")
    if unknown:
        print(f"without a licence in their metadata: {', '.join(unknown)}")


def main(arguments: list[str]) -> int:
    """Write the inventory, then look for vulnerabilities; 1 where there are any."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--osv", type=Path, help="a copy of the OSV database, as a zip file")
    parser.add_argument("--lock", type=Path, default=ROOT / "requirements.lock")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "audit")
    options = parser.parse_args(arguments)
    write_inventory(options.output)
    try:
        found = from_database(locked(options.lock), options.osv) if options.osv else from_index(options.lock)
    except (OSError, zipfile.BadZipFile) as error:
        raise SystemExit(f"audit: {options.osv}: {error}") from None
    for line in found:
        print(line)
    print(f"{len(found)} known vulnerabilities in {len(locked(options.lock))} locked packages")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
