"""`pada compare CONFIG.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.cli.exit_codes import PAUSED, fail


def compare(
    config: Annotated[
        Path, typer.Argument(help="A run's YAML file with a section `compare`.", metavar="CONFIG.yaml")
    ],
    output: Annotated[Path | None, typer.Option(help="The comparison's folder.")] = None,
    owner: Annotated[
        str,
        typer.Option(
            help="Id of the API key that may see it on a service's page; default: admins.", metavar="ID"
        ),
    ] = "",
    plan: Annotated[
        bool, typer.Option("--plan", help="Only print the expected calls, cost and time.")
    ] = False,
) -> None:
    """Run several methods on the same task and compare them. Start it again to continue."""
    import asyncio

    from app.cli.compare_tables import show, show_plan
    from app.cli.compare_watch import Watch
    from app.compare import whole
    from app.compare.plan import make_plan
    from app.compare.runs import ComparisonPaused, Runs
    from app.compare.spec import load_comparison
    from trainer.tasks import add_task_folder

    comparison = load_comparison(config)
    if comparison.base.task_folder:
        add_task_folder(comparison.base.task_folder)
    folder = (output or comparison.base.output or Path("runs") / config.stem).expanduser().resolve()
    watch = Watch(len(comparison.configs))
    runs = Runs(comparison, folder, watch.show, owner=owner)
    if plan:
        show_plan(asyncio.run(make_plan(runs)))
        return
    try:
        with watch:
            results = asyncio.run(whole.compare(runs))
    except ComparisonPaused as pause:
        fail(str(pause), code=PAUSED)
    show(results)
    typer.echo(str(folder))
