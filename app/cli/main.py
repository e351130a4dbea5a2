"""`pada ...`: the command line."""

from __future__ import annotations

import json
import signal
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from app.cli.check import check
from app.cli.compare import compare
from app.cli.exit_codes import INTERRUPTED, PAUSED, fail, print_error_as_json
from app.cli.init import init
from app.cli.keys import keys
from app.cli.mcp.command import mcp
from app.cli.pool import pool
from app.cli.rows import add_row, remove_row
from app.cli.run_folder import RunFolder, config_of, default_output, read_config
from app.cli.runs import runs, start
from app.cli.streams import prepare_streams, say
from app.errors import PadaError

if TYPE_CHECKING:
    from app.config.run_config import RunConfig
    from graphs.report import Report

app = typer.Typer(
    name="pada",
    help="Makes a small language model better at one task, and measures by how much.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(init)
app.add_typer(keys, name="keys")
app.add_typer(runs, name="runs")

Json = Annotated[bool, typer.Option("--json", help="Print events as JSON lines.")]
Output = Annotated[Path | None, typer.Option(help="The run's folder; overrides the config's `output`.")]
Server = Annotated[
    str | None,
    typer.Option(help="Address of a pada service that does the work; its key is in PADA_KEY.", metavar="URL"),
]
STOPPED = "Stopped. Start the same command again to go on from here."

Finish = Annotated[bool, typer.Option("--finish", help="Write no more rows: score the best student so far.")]


def main() -> None:
    """Run the command line. Errors that the user can fix are printed as one paragraph, without a traceback."""
    prepare_streams()
    # a shell lets its background jobs ignore SIGINT, but whoever sends it to a run wants it to stop
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # when a branch fails, LangGraph cancels other branches before they start, and Python warns about that
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning, r"langgraph\.")
    try:
        app()
    except KeyboardInterrupt:
        fail(STOPPED, code=INTERRUPTED)
    except SystemExit as end:
        # typer ends an interrupted command without a word; a command that says something itself raises while it handles it
        if end.code == INTERRUPTED and not isinstance(end.__context__, KeyboardInterrupt):
            fail(STOPPED, code=INTERRUPTED)
        # what typer says of the command line itself; its classes differ between versions
        if words := getattr(end.__context__, "format_message", None):
            print_error_as_json(words())
        raise
    except OSError as error:
        fail(f"{error.filename or 'A file'}: {error.strerror or error}.")
    except user_errors() as error:
        fail(str(error))


def user_errors() -> tuple[type[Exception], ...]:
    """What the user can fix. They are imported when something was raised, because help needs none of them."""
    from graphs.errors import LoopError
    from trainer.data_files import DataError

    return PadaError, LoopError, DataError


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="The run's YAML file.", metavar="CONFIG.yaml")],
    output: Output = None,
    json_lines: Json = False,
    finish: Finish = False,
    server: Server = None,
) -> None:
    """Run the loop. Start it again with the same folder to continue."""
    loaded = read_config(config)
    if server:
        start(loaded, server, json_lines)
        return
    folder = output.expanduser().resolve() if output else default_output(config, loaded)
    go(loaded, folder, json_lines, finish=finish)


@app.command()
def demo(output: Output = None, json_lines: Json = False) -> None:
    """A whole run in minutes, with an embedded data set, student and teacher: no key, no network."""
    from app.demo.run import NOTICE, demo_config, served_teacher

    typer.echo(NOTICE, err=True)
    folder = (output or Path("runs", "demo")).expanduser().resolve()
    with served_teacher() as base_url:
        go(demo_config(folder, base_url), folder, json_lines, stand_in=True)


@app.command()
def review(
    folder: RunFolder,
    veto: Annotated[
        list[str] | None, typer.Option(help="Id of a pattern that gets no rows; may be repeated.")
    ] = None,
    reject: Annotated[
        list[str] | None, typer.Option(help="Id of an accepted row to leave out; may be repeated.")
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option(help="Id of a rejected row to train on after all; may be repeated."),
    ] = None,
    answer: Annotated[
        Path | None,
        typer.Option(
            help="JSON file with `veto`, `merge` and `edit`, or with `reject` and `accept`.",
            metavar="FILE.json",
        ),
    ] = None,
    approve: Annotated[bool, typer.Option("--approve", help="Continue with the rest as it is.")] = False,
    json_lines: Json = False,
) -> None:
    """Show the patterns and strategies, or the rows, that wait for a review, or answer the review."""
    import asyncio

    from app.cli.review import show
    from app.engine.pending_review import merge_answer, read_pending_review

    folder = folder.expanduser().resolve()
    loaded = read_config(config_of(folder))
    review = asyncio.run(read_pending_review(loaded, folder))
    named = {"veto": veto or [], "reject": reject or [], "accept": accept or []}
    if approve or answer or any(named.values()):
        go(loaded, folder, json_lines, answer=merge_answer(review, folder, answer, named))
    else:
        show(review, folder)


@app.command()
def report(folder: RunFolder) -> None:
    """Show a run's result and write its report again."""
    from app.report.html import render_html
    from graphs.report import Report
    from graphs.run_paths import RunPaths
    from trainer.artifacts import read_model, write_text

    paths = RunPaths(folder.expanduser().resolve())
    config_of(paths.root)
    if not paths.report.exists():
        raise PadaError(
            f"{paths.root}: there is no report yet; the run was never started or is still at work."
        )
    result = read_model(Report, paths.report)
    write_text(paths.html, render_html(result))
    conclude(result, paths.root)


@app.command()
def export(
    folder: RunFolder,
    output: Annotated[Path | None, typer.Option(help="Folder to write; default: RUN/export.")] = None,
    to: Annotated[
        Literal["peft", "gguf", "ollama", "vllm", "hub"],
        typer.Option(help="Where the student is served: see docs/guides/export.md."),
    ] = "peft",
    merged: Annotated[
        bool, typer.Option("--merged", help="Whole model (safetensors) instead of the adapter.")
    ] = False,
    quantization: Annotated[Literal["f16", "q8_0"], typer.Option(help="Of gguf and ollama.")] = "f16",
    check: Annotated[int, typer.Option(min=0, help="Maximum validation rows to compare; 0 for none.")] = 50,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
    repo: Annotated[str | None, typer.Option(help="Name on the hub.", metavar="OWNER/NAME")] = None,
    push: Annotated[
        bool, typer.Option("--push", help="Upload to the hub; else only say what it gets.")
    ] = False,
) -> None:
    """Write the best student, with a model card, after comparing its answers with those of the run."""
    import asyncio

    from app.export.options import ExportOptions
    from app.export.run import export_run

    root = folder.expanduser().resolve()
    config_of(root)
    target = (output or root / "export").expanduser().resolve()
    options = ExportOptions(to, merged, quantization, check, force, repo, push)
    checked = asyncio.run(export_run(root, target, options, lambda line: say(line, err=True)))
    typer.echo(checked)
    typer.echo(str(target))


app.command()(add_row)
app.command()(remove_row)
app.command()(compare)
app.command()(pool)
app.command()(check)
app.command()(mcp)


@app.command()
def graph() -> None:
    """Print the loop as a mermaid diagram, drawn from the graph that runs."""
    from app.engine.wiring import draw_graph

    typer.echo(draw_graph())


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: PADA_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; default: PADA_PORT.", min=0, max=65535)
    ] = None,
) -> None:
    """Start the service: runs over HTTP. Its settings are environment variables; see docs/guides/operations.md."""
    from app.cli.serve import serve as serve_for_ever
    from app.settings import Settings

    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    serve_for_ever(Settings.model_validate(Settings().model_dump() | given))


@app.command()
def students() -> None:
    """List students by short name, with the GPU memory that training takes."""
    from app.cli.students import table

    typer.echo(table())


@app.command()
def models() -> None:
    """Convert the embedded student into the cache, once."""
    import subprocess

    raise SystemExit(
        subprocess.run(
            [sys.executable, "-P", "-m", "trainer.model", "builtin:smollm2-135m"], check=False
        ).returncode
    )


def go(
    config: RunConfig,
    folder: Path,
    json_lines: bool,
    *,
    answer: dict[str, Any] | None = None,
    finish: bool = False,
    stand_in: bool = False,
) -> None:
    """Run, show, and exit with the right code."""
    import asyncio

    from app.cli.display import choose
    from app.engine.runner import Runner
    from app.engine.wiring import RunOptions

    with choose(as_json=json_lines) as display:
        runner = Runner(config, folder, display.show, RunOptions(stand_in=stand_in))
        result = asyncio.run(runner.run(answer=answer, finish=finish))
    if json_lines:
        typer.echo(json.dumps({"type": "result", "status": result.status, "folder": str(folder)}))
    else:
        conclude(result, folder)
    if result.status == "paused":
        raise SystemExit(PAUSED)


def conclude(result: Report, folder: Path) -> None:
    """The closing lines; the last one is the run's folder."""
    from app.report.summary import summary_lines

    for line in summary_lines(result):
        say(line)
    say(f"Report: {folder / 'report.html'}")
    say(str(folder))


if __name__ == "__main__":
    main()
