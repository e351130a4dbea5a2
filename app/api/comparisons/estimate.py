"""What a comparison would take, for a request that starts none."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request

from app.api.comparisons.operations import admit_comparison
from app.api.comparisons.schemas import ComparisonRequest
from app.api.datasets import service as datasets
from app.api.keys.auth import Caller
from app.api.runs.estimate import earlier_training, folder_of, read_output, unless_left
from app.config.teacher_network import refuse_addresses
from app.settings import Settings


async def estimate(request: Request, who: Caller, body: ComparisonRequest) -> dict[str, Any]:
    """The plan of a comparison, with what `pada check` says of its rows; see `app.api.comparisons.plan`.

    Raises:
        ConfigError, NotFound: the comparison could not be started.
        Unavailable: whoever asked has left.
    """
    settings: Settings = request.app.state.settings
    folder = await folder_of(request, who, body.dataset)
    comparison = admit_comparison(body.config, folder, settings)
    await refuse_addresses(comparison.base, settings)
    before = await earlier_training(request, who, comparison.base, settings)
    given = json.dumps(comparison.to_json()).encode()
    async with request.app.state.check_turn:
        work = datasets.run_module("app.api.comparisons.plan", str(before or ""), given=given)
        return read_output(await unless_left(request, work), folder)
