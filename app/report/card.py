"""The Hugging Face model card (README.md) of an exported student."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jinja2

from app.report import wording
from graphs.report import Report, RoundReport, TeacherReport
from trainer.presets import split_revision

LINEAGE_ROWS = 60
"""Maximum patterns that the card lists, newest rounds first."""

KNOWN_BASES = {"builtin:smollm2-135m": ("HuggingFaceTB/SmolLM2-135M-Instruct", "apache-2.0")}
"""Student name -> name of its base model on the hub, and its licence."""

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


Form = Literal["adapter", "merged", "full"]
"""A LoRA adapter, an adapter merged into its base, or a fully fine-tuned model."""


@dataclass(frozen=True)
class Export:
    """What the card says about the exported folder."""

    form: Form
    compared: int = 0
    """Validation rows on which merged and adapter predictions were compared."""
    same: int = 0
    """Number of these rows with the same prediction."""


def render_card(report: Report, *, export: Export) -> str:
    """README.md with YAML front matter: the model, its scores with intervals, its data and its limits.

    For a student from a local folder or file, only the last part of the path is named, so that no path leaves
    the machine. Texts from rows or from the teacher are escaped for markdown.
    """
    base, licence = base_model(report.student)
    chosen = chosen_round(report)
    gained = report.test is not None and bool(report.best.get("round"))
    return (
        _environment()
        .get_template("card.md")
        .render(
            report=report,
            export=export,
            headline=wording.headline(report),
            front=_front_matter(report, export, licence),
            base=base or f"{_last_part(report.student)} (local)",
            form=_FORMS[export.form],
            licence=licence,
            chosen=chosen,
            gained=gained,
            own_test=_own_test(report),
            digest=config_digest(report.config),
            loading=_loading(base, split_revision(report.student)[1], export),
            template=(report.config.get("student") or {}).get("template", "auto"),
            splits=report.data.rows,
            generated=_generated(report, chosen),
            lineage=_lineage(report, chosen),
            teachers=_teachers(report.teacher),
            judged=(report.config.get("loop") or {}).get("qc", True),
            effect=report.minimal_detectable_effect,
        )
    )


_FORMS: dict[Form, str] = {
    "adapter": "LoRA adapter, to be loaded onto the base model",
    "merged": "LoRA adapter merged into the base model",
    "full": "fully fine-tuned model",
}


def base_model(student: str) -> tuple[str | None, str | None]:
    """A student's base model on the hub and its licence. Both are None for a local folder or file."""
    if student in KNOWN_BASES:
        return KNOWN_BASES[student]
    local = student.endswith(".gguf") or Path(student).exists()
    name, _ = split_revision(student)
    return (name if HUB_NAME.fullmatch(name) and not local else None), None


def config_digest(config: dict[str, Any]) -> str:
    """SHA-256 of the configuration as JSON with sorted keys, in hexadecimal."""
    text = json.dumps(config, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def chosen_round(report: Report) -> RoundReport | None:
    """The round of the best student, which is the one that is exported."""
    best = report.best.get("round")
    return next((item for item in report.rounds if item.round == best), None)


def _front_matter(report: Report, export: Export, licence: str | None) -> str:
    from huggingface_hub import ModelCardData

    base, _ = base_model(report.student)
    data = ModelCardData(
        base_model=base,
        library_name="peft" if export.form == "adapter" else "transformers",
        license=licence,
        pipeline_tag="text-generation",
        tags=["pada", "synthetic-data", *(["lora"] if export.form != "full" else [])],
        model_name=report.run_id if report.test else None,
        eval_results=_results(report),
    )
    return data.to_yaml()


def _results(report: Report) -> list[Any] | None:
    """The sealed test in the form of the hub's model index. The interval is in its `metric_args`."""
    from huggingface_hub import EvalResult

    test = report.test
    if test is None:
        return None
    evidence: dict[str, Any] = {"n": test.n, "baseline": test.baseline}
    if report.best.get("round"):
        evidence |= {"difference": test.difference, "ci95": list(test.ci95), "p_value": test.p_value}
    result = EvalResult(
        task_type="text-generation",
        dataset_type=re.sub(r"[^\w.-]+", "-", report.task),
        dataset_name=f"{report.task} (sealed test)",
        dataset_split="test",
        metric_type=test.metric,
        metric_value=_own_test(report),
        metric_args=evidence,
    )
    return [result]


def _own_test(report: Report) -> float | None:
    """The exported student's test score. If no later student was promoted, it is the baseline's."""
    if report.test is None:
        return None
    return report.test.best if report.best.get("round") else report.test.baseline


def _loading(base: str | None, revision: str | None, export: Export) -> str:
    if export.form != "adapter":
        return (
            "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
            'folder = "path/to/this/folder"\n'
            "tokenizer = AutoTokenizer.from_pretrained(folder)\n"
            "model = AutoModelForCausalLM.from_pretrained(folder)"
        )
    source = json.dumps(base or "path/to/the/base/model")
    if base and revision:
        source += f", revision={json.dumps(revision)}"
    return (
        "from peft import PeftModel\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        f"tokenizer = AutoTokenizer.from_pretrained({source})\n"
        f"base = AutoModelForCausalLM.from_pretrained({source})\n"
        'model = PeftModel.from_pretrained(base, "path/to/this/folder")'
    )


def _generated(report: Report, chosen: RoundReport | None) -> int:
    """Rows from the teacher that the chosen student was trained on: of its round and of the rounds before."""
    return sum(item.accepted for item in report.rounds if chosen is not None and item.round <= chosen.round)


def _lineage(report: Report, chosen: RoundReport | None) -> list[tuple[int, str, int]]:
    """The new rows that this model was trained on: round, what they were written for, and how many."""
    rows = []
    for item in reversed(report.rounds):
        if chosen is None or item.round > chosen.round or not item.accepted:
            continue
        rows += [
            (item.round, pattern.name, pattern.accepted) for pattern in item.patterns if pattern.accepted
        ]
        rest = item.accepted - sum(pattern.accepted for pattern in item.patterns)
        rows += [(item.round, "training errors, and rows without a pattern", rest)] if rest > 0 else []
    listed = rows[:LINEAGE_ROWS]
    unlisted = sum(count for _, _, count in rows[LINEAGE_ROWS:])
    return [*listed, (rows[LINEAGE_ROWS][0], "earlier rows, not listed", unlisted)] if unlisted else listed


def _teachers(teacher: TeacherReport) -> list[tuple[str, str]]:
    roles = {"analyst": teacher.analyst, "generator": teacher.generator, "judge": teacher.judge}
    return [(role, played.model) for role, played in roles.items() if played]


def _last_part(student: str) -> str:
    return re.split(r"[\\/]", student.rstrip("\\/"))[-1]


def escape_markdown(text: Any) -> str:
    """A text on one line, with markdown escaped."""
    line = " ".join(str(text).split())
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", wording.clip(line, 300))


def code(text: Any) -> str:
    """A text that cannot end a code span or a table cell."""
    return re.sub(r"[`|]", "'", " ".join(str(text).split()))


def _environment() -> jinja2.Environment:
    """Markdown is not escaped automatically: all foreign texts go through `md` or `code`."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("app.report"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=jinja2.select_autoescape(),
    )
    environment.filters.update(
        md=escape_markdown,
        code=code,
        percent=wording.percent,
        points=wording.points,
        interval=wording.interval,
        score_interval=wording.score_interval,
        p_value=wording.p_value,
        plural=wording.plural,
        round_name=wording.round_name,
    )
    environment.globals.update(p_methods=wording.P_METHODS)
    return environment
