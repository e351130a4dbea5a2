"""Cluster the analyses and name what each cluster has in common."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import numpy as np
from langgraph.runtime import Runtime
from numpy.typing import NDArray

from graphs.analysis.clustering import Clustering, cluster, farthest, nearest, project
from graphs.artifacts import Analysis, ClusterPoint, Clusters
from graphs.context import Context, LoopSpec
from graphs.errors import TooManyUnanswered
from graphs.nodes.analyze_errors import analyze
from graphs.rounds import Round
from graphs.rows import Pattern
from graphs.schemas import FailurePattern
from graphs.state import LoopState
from graphs.teacher.failures import GO_ON
from graphs.unanswered import ask_or_note
from graphs.workspace import Workspace
from prompts import render

Vectors = NDArray[np.float32]

NAME_WORDS = 8
"""Of a pattern that the teacher did not name."""


async def find_patterns(
    state: LoopState, runtime: Runtime[Context], *, workspace: Workspace
) -> dict[str, Any]:
    """Embed the analyses, cluster them with k-means, and draft one pattern per cluster. The elbow chooses k."""
    context, current = runtime.context, workspace.round(state.round)
    chosen = workspace.round(state.round - 1).failures_to_analyze()
    analyses = current.analyses(chosen) or await ask_again(chosen, current, context, workspace)
    vectors = await workspace.embedder.embed([analysis.text for analysis in analyses])
    clustering = cluster(
        vectors,
        seed=context.seed,
        max_k=context.loop.max_patterns,
        min_points=context.loop.min_cluster_errors,
        k=pattern_count(len(analyses), context.loop),
    )
    drafts = [
        draft(c, clustering, vectors, analyses, state.round, context, workspace) for c in range(clustering.k)
    ]
    patterns = [
        Pattern(
            **dict(named),
            id=f"r{state.round}-p{c}",
            round=state.round,
            failures=[analyses[i].id for i in np.flatnonzero(clustering.labels == c)],
            centroid=[float(x) for x in clustering.centroids[c]],
        )
        for c, named in enumerate(await asyncio.gather(*drafts))
    ]
    current.write_patterns(patterns, describe(clustering, vectors, analyses))
    return {"patterns": [pattern.id for pattern in patterns]}


async def ask_again(
    chosen: list[str], current: Round, context: Context, workspace: Workspace
) -> list[Analysis]:
    """The analyses of a round that has none, asked for once more: a run that paused here can go on.

    Raises:
        TooManyUnanswered: there is none again.
    """
    failures = workspace.failures(current.number - 1, "validation")
    await asyncio.gather(*(analyze(failures[name], current, context, workspace) for name in chosen))
    analyses = current.analyses(chosen)
    if not analyses:
        reason = current.unanswered()[0].reason
        raise TooManyUnanswered(
            f"The teacher analysed none of the {len(chosen)} failures. One reason: {reason} When that is mended, {GO_ON}"
        )
    return analyses


def pattern_count(failures: int, loop: LoopSpec) -> int | None:
    """Number of patterns that the configuration asks for; None leaves it to the elbow."""
    return math.ceil(failures / loop.errors_per_pattern) if loop.errors_per_pattern else None


async def draft(
    c: int,
    clustering: Clustering,
    vectors: Vectors,
    analyses: list[Analysis],
    round_number: int,
    context: Context,
    workspace: Workspace,
) -> FailurePattern:
    """Name one cluster from the members nearest to its centre and some of the farthest.

    If the teacher cannot, or leaves the name empty, the pattern is called what the member nearest to the centre says.
    """
    near = nearest(clustering, vectors, c, context.loop.members_near)
    far = [i for i in farthest(clustering, vectors, c, context.loop.members_far) if i not in set(near)]
    members = [analyses[i].for_teacher() for i in [*near, *far]]
    data = {"task": await workspace.brief(context), "analyses": members}
    named = await ask_or_note(
        workspace.teacher,
        workspace.round(round_number),
        "pattern",
        f"r{round_number}-p{c}",
        "analyst",
        FailurePattern,
        render("find_patterns"),
        data,
    )
    return named if named and named.name.strip() else named_after(analyses[near[0]])


def named_after(analysis: Analysis) -> FailurePattern:
    """A pattern in the words of one analysis."""
    words = analysis.root_cause.split() or analysis.scenario.split()
    name = " ".join(words[:NAME_WORDS]) + (" ..." if len(words) > NAME_WORDS else "")
    return FailurePattern(name=name, description=analysis.text)


def describe(clustering: Clustering, vectors: Vectors, analyses: list[Analysis]) -> Clusters:
    """The clustering as the report shows it: inertia curve, silhouette, and a map on two principal axes."""
    return Clusters(
        k=clustering.k,
        inertia=clustering.inertia,
        silhouette=clustering.silhouette,
        sizes=np.bincount(clustering.labels, minlength=clustering.k).tolist(),
        points=[
            ClusterPoint(id=a.id, x=float(x), y=float(y), cluster=int(label), root_cause=a.root_cause)
            for a, (x, y), label in zip(analyses, project(vectors), clustering.labels, strict=True)
        ],
    )
