"""Fills `.gpu-pack/` on a machine with a network, for a GPU host that has none."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.gpu.install import COMMIT, MODULES, PACK, TOKENIZER, WHEELS
from benchmarks.machine import commit

LIST, LOCK = Path("scripts/gpu-wheels.txt"), Path("requirements.lock")

LIMIT_MB = 64.0
"""Most that travels, in MiB: this folder and the checkout."""

PLATFORMS = (
    *(f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 24, 17)),
    "manylinux2014_x86_64",
    "manylinux1_x86_64",
)

UNUSED = {"bitsandbytes": re.compile(r"libbitsandbytes_(?!cpu|cuda130).*\.so")}
"""Package -> files of its wheel that a host with CUDA 13.0 never loads; bitsandbytes brings a library for each CUDA."""

TOKENIZER_FILES = re.compile(r"(tokenizer|special_tokens|added_tokens|chat_template|vocab|merges).*")

BUNDLE_MODULE = '''"""Stands in for vl-convert, whose wheel is 32 MiB: the one script that a report needs of it."""

from pathlib import Path


def javascript_bundle(snippet: str) -> str:
    """The script that `--pack` made with the real package."""
    return Path(__file__).with_name("vega.js").read_text(encoding="utf-8")
'''


class PackError(Exception):
    """The pack cannot be made or is too heavy."""


def pack(say: Callable[[str], None]) -> None:
    """Download, trim, weigh.

    Raises:
        PackError: a wheel is not to be had, or all together is heavier than what may travel.
    """
    for folder in (WHEELS, MODULES, TOKENIZER):
        folder.mkdir(parents=True, exist_ok=True)
    download(wanted())
    for wheel in WHEELS.glob("*.whl"):
        trim(wheel)
    copy_tokenizer()
    write_bundle()
    COMMIT.write_text(f"{commit()}\n", encoding="utf-8")
    weigh(say)


def wanted() -> list[str]:
    """The requirements of the list, with the versions of the lock file."""
    lines = [line.partition("#")[0].strip() for line in LIST.read_text(encoding="utf-8").splitlines()]
    pins = dict(line.split("==") for line in LOCK.read_text(encoding="utf-8").splitlines() if "==" in line)
    locked = {normalized(name): version.split()[0] for name, version in pins.items()}
    return [
        line if "==" in line or normalized(line) not in locked else f"{line}=={locked[normalized(line)]}"
        for line in lines
        if line
    ]


def normalized(name: str) -> str:
    """A project's name as PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def download(requirements: list[str]) -> None:
    """One wheel for each requirement, for Python 3.12 on x86-64; those of other versions are removed."""
    stem = {re.sub(r"[-_.]+", "_", each.partition("==")[0]).lower(): each for each in requirements}
    for wheel in WHEELS.glob("*.whl"):
        name, version = wheel.name.split("-")[:2]
        requirement = stem.pop(name.lower(), None)
        if requirement is None or (requirement.partition("==")[2] or version) != version:
            wheel.unlink()
            if requirement:
                stem[name.lower()] = requirement
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
    target = ["--only-binary=:all:", "--python-version", "3.12", "--implementation", "cp"]
    platforms = [argument for name in PLATFORMS for argument in ("--platform", name)]
    if stem:
        command = [*pip, *target, *platforms, "-d", str(WHEELS), *stem.values()]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise PackError(f"pip download failed: {done.stderr.strip().splitlines()[-1]}")


def trim(wheel: Path) -> None:
    """Drop the files of a wheel that the host never loads, and their lines in its record."""
    unused = UNUSED.get(wheel.name.split("-")[0])
    if unused is None:
        return
    smaller = wheel.with_suffix(".trimmed")
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(smaller, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            content = source.read(entry)
            if unused.search(entry.filename):
                continue
            if entry.filename.endswith(".dist-info/RECORD"):
                lines = content.decode().splitlines()
                content = "".join(f"{line}\n" for line in lines if not unused.search(line)).encode()
            target.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)
    smaller.replace(wheel)


def copy_tokenizer() -> None:
    """The embedded student's tokenizer; its weights stay here."""
    from trainer.weights import resolve_model

    for path in Path(resolve_model("builtin:smollm2-135m")).iterdir():
        if TOKENIZER_FILES.fullmatch(path.name):
            shutil.copy(path, TOKENIZER / path.name)


def write_bundle() -> None:
    """The charts' script for reports, and the module that hands it out."""
    import vl_convert

    script = str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))
    (MODULES / "vega.js").write_text(script, encoding="utf-8")
    (MODULES / "vl_convert.py").write_text(BUNDLE_MODULE, encoding="utf-8")


def weigh(say: Callable[[str], None]) -> None:
    """Print what travels, heaviest first, and refuse more than the limit."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\0")
    checkout = sum(Path(name).stat().st_size for name in names if name and Path(name).is_file())
    packed = {path: path.stat().st_size for path in PACK.rglob("*") if path.is_file()}
    for path, size in sorted(packed.items(), key=lambda pair: -pair[1])[:8]:
        say(f"{size / 2**20:7.1f} MiB  {path}")
    total = (checkout + sum(packed.values())) / 2**20
    say(f"{sum(packed.values()) / 2**20:7.1f} MiB  {PACK}, {len(packed)} files")
    say(f"{checkout / 2**20:7.1f} MiB  the checkout")
    say(f"{total:7.1f} MiB  together, of {LIMIT_MB:.0f} that may travel")
    if total > LIMIT_MB:
        raise PackError(f"{total:.1f} MiB is more than {LIMIT_MB:.0f}: shorten {LIST}.")
