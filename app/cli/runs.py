"""`pada runs ...`: the runs of a service."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.exit_codes import INTERRUPTED, PAUSED, fail
from app.cli.rows import Completion, Prompt, RowId, show_row
from app.cli.streams import say

if TYPE_CHECKING:
    from app.cli.client import Client
    from app.config.run_config import RunConfig

runs = typer.Typer(name="runs", help="The runs of a pada service: list, watch, steer.", no_args_is_help=True)

Server = Annotated[
    str,
    typer.Option(help="Address of the service; its key is in PADA_KEY.", metavar="URL", envvar="PADA_SERVER"),
]
Run = Annotated[str, typer.Argument(help="The run's id.", metavar="RUN")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PIPED = 160
"""Columns of a table where there is no terminal."""


def start(config: RunConfig, url: str, json_lines: bool) -> None:
    """Start a run on a service, and follow it."""
    with connect(url) as client:
        follow(client, client.start(config), url, json_lines)


def connect(url: str) -> Client:
    """The service at an address, with the key of the environment."""
    from app.cli.client import Client
    from app.settings import ClientSettings

    return Client(url, ClientSettings().key)


def follow(client: Client, name: str, url: str, json_lines: bool) -> None:
    """Show a run until it ends or waits, and exit with the right code."""
    from app.cli.display import choose
    from app.report.summary import summary_lines

    try:
        with choose(as_json=json_lines) as display:
            run = client.watch(name, display.show)
    except KeyboardInterrupt:
        fail(
            f"The run continues; `pada runs watch {name}` shows it, `pada runs cancel {name}` ends it.",
            code=INTERRUPTED,
        )
    if json_lines:
        typer.echo(json.dumps({"type": "result", "status": run["status"], "run": name}))
    elif run["status"] in ("finished", "paused"):
        for line in summary_lines(client.report(name)):
            say(line)
        typer.echo(f"{url.rstrip('/')}/v1/runs/{name}")
    if run["status"] == "paused":
        raise SystemExit(PAUSED)
    if run["status"] != "finished":
        fail(f"The run {name} is {run['status']}: {run['reason']}")


@runs.command("list")
def show_runs(
    server: Server,
    status: Annotated[str | None, typer.Option(help="Only runs that are this, such as `running`.")] = None,
    as_json: Json = False,
) -> None:
    """Your runs, the newest first."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    with connect(server) as client:
        listed = client.runs(status)
    if as_json:
        typer.echo(json.dumps(listed))
        return
    table = Table("run", "status", "task", "method", "round", "validation", "cost", box=None, pad_edge=False)
    for run in listed:
        table.add_row(*(Text(cell) for cell in row_of(run)))
    console = Console()
    console.width = console.width if console.is_terminal else PIPED
    console.print(table)


def row_of(run: dict[str, Any]) -> list[str]:
    """The cells of a run; the validation score is that of the best student so far."""
    from app.report.wording import money, percent

    promoted = [score["validation"] for score in run["scores"] if score["promoted"]]
    return [
        run["id"],
        f"{run['status']} ({run['waiting_for']})" if run["waiting_for"] else run["status"],
        run["task"],
        run["method"],
        str(run["round"]),
        percent(promoted[-1]) if promoted else "",
        money(run["cost"]["usd"]) if run["cost"] else "",
    ]


@runs.command()
def show(run: Run, server: Server) -> None:
    """Show the current state of a run as JSON."""
    with connect(server) as client:
        typer.echo(json.dumps(client.get(run), indent=1))


@runs.command()
def watch(run: Run, server: Server, as_json: Json = False) -> None:
    """Follow a run from its start until it ends or waits."""
    with connect(server) as client:
        follow(client, run, server, as_json)


@runs.command()
def cancel(run: Run, server: Server) -> None:
    """Cancel a run; its accepted rows stay."""
    steer(run, server, "cancel")


@runs.command()
def pause(run: Run, server: Server) -> None:
    """Pause a run until it is resumed."""
    steer(run, server, "pause")


@runs.command()
def resume(
    run: Run,
    server: Server,
    max_usd: Annotated[float | None, typer.Option(help="Raise `budget.max_usd` to this.")] = None,
    max_calls: Annotated[int | None, typer.Option(help="Raise `budget.max_calls` to this.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Raise `budget.max_tokens` to this.")] = None,
) -> None:
    """Continue a paused or failed run from where it was, with another budget where one is given."""
    caps = {"max_usd": max_usd, "max_calls": max_calls, "max_tokens": max_tokens}
    given = {name: cap for name, cap in caps.items() if cap is not None}
    if any(not math.isfinite(cap) for cap in given.values()):
        fail('A cap must be a finite number. To have none, ask over REST: `{"budget": {"max_usd": null}}`.')
    steer(run, server, "resume", {"budget": given} if given else None)


def steer(run: str, server: str, step: str, body: dict[str, Any] | None = None) -> None:
    """Ask for a step, and print the new status."""
    with connect(server) as client:
        state = client.steer(run, step, body)
    say(f"{run}: {state['status']}" + (f" ({state['reason']})" if state["reason"] else ""))


@runs.command()
def review(
    run: Run,
    server: Server,
    veto: Annotated[list[str] | None, typer.Option(help="Id of a pattern that gets no rows.")] = None,
    reject: Annotated[list[str] | None, typer.Option(help="Id of an accepted row to leave out.")] = None,
    accept: Annotated[list[str] | None, typer.Option(help="Id of a rejected row to train on.")] = None,
    answer: Annotated[
        Path | None,
        typer.Option(help="JSON file as for `POST /v1/runs/{id}/review`.", metavar="FILE.json"),
    ] = None,
    approve: Annotated[bool, typer.Option("--approve", help="Continue with the rest as it is.")] = False,
) -> None:
    """Show the review that a run waits for, as JSON, or answer it. Options may be repeated."""
    named = {"veto": veto or [], "reject": reject or [], "accept": accept or []}
    given = read_answer(answer) if answer else {}
    if approve or answer or any(named.values()):
        body = given | {key: [*given.get(key, []), *ids] for key, ids in named.items() if ids}
        steer(run, server, "review", body)
        return
    with connect(server) as client:
        pending = client.pending_review(run)
    if pending is None:
        fail(f"{run}: this run does not wait for a review.")
    typer.echo(json.dumps(pending, indent=1, ensure_ascii=False))


def read_answer(path: Path) -> dict[str, Any]:
    """The answer in a file; the service validates it."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        fail(f"{path}: cannot be read: {error.strerror}.")
    except ValueError as error:
        fail(f"{path}: not valid JSON: {error}.")
    return document if isinstance(document, dict) else fail(f"{path}: an answer is a JSON object.")


@runs.command("add-row")
def add_row(run: Run, server: Server, prompt: Prompt, completion: Completion) -> None:
    """Add a row with the right answer. The run's next round checks it, and trains on it where it passes."""
    with connect(server) as client:
        added = client.add_row(run, prompt, completion)
    show_row(added["sample"], added["next"])


@runs.command("remove-row")
def remove_row(run: Run, row: RowId, server: Server) -> None:
    """Take back a row that was added, as long as no round has taken it."""
    with connect(server) as client:
        client.remove_row(run, row)
    typer.echo(f"{row}: removed")


@runs.command()
def report(
    run: Run,
    server: Server,
    page: Annotated[
        Path | None, typer.Option("--html", help="Also write the report's page.", metavar="FILE.html")
    ] = None,
) -> None:
    """A run's result so far."""
    from app.report.summary import summary_lines

    with connect(server) as client:
        for line in summary_lines(client.report(run)):
            say(line)
        if page:
            page.write_text(client.page(run), encoding="utf-8")
            typer.echo(str(page))
