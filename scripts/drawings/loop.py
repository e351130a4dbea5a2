"""The data flow of a run: nodes in three lanes, who does the work of each, and the files that it leaves."""

from __future__ import annotations

from dataclasses import dataclass

from graphs.state import NODES
from scripts.drawings.svg import INK, MONO, MUTED, arrow, box, document, text

WIDTH, HEIGHT = 1000, 560
BOX = (158, 74)
COLOURS = {"student": "#dcebff", "teacher": "#ffe9cf", "code": "#e8f3e6", "person": "#f3e3f5"}
LEGEND = {
    "student": "student (trainer process)",
    "teacher": "teacher (paid calls)",
    "code": "code alone",
    "person": "a person, if asked for",
}


@dataclass(frozen=True)
class Node:
    """One box: where it stands, who works, and what it writes."""

    x: float
    y: float
    who: str
    does: str
    writes: str


TOP, MIDDLE, BOTTOM = 92, 238, 384
BOXES = {
    "fine_tune": Node(40, TOP, "student", "trains and predicts", "student/ predictions/"),
    "evaluate": Node(280, TOP, "code", "scores validation", "scores/ failures.json"),
    "gate": Node(520, TOP, "code", "compares with the best", "gate.json"),
    "finish": Node(800, TOP, "student", "opens the test rows", "final/"),
    "analyze_errors": Node(800, MIDDLE, "teacher", "analyst: why?", "analyses/"),
    "find_patterns": Node(547, MIDDLE, "teacher", "clusters, names", "patterns.jsonl"),
    "draft_strategies": Node(294, MIDDLE, "teacher", "analyst: what to write", "strategies/"),
    "review": Node(40, MIDDLE, "person", "veto, merge, edit", "drafts.json"),
    "allocate": Node(40, BOTTOM, "code", "splits the rows", "batches.jsonl"),
    "augment": Node(280, BOTTOM, "teacher", "generate, check_quality", "augmented/"),
    "accept": Node(540, BOTTOM, "code", "checks across batches", "rows.jsonl"),
    "review_rows": Node(800, BOTTOM, "person", "accept, reject", "accepted.jsonl"),
}


def draw() -> str:
    """The picture; an error where the graph has a node that it lacks."""
    assert set(BOXES) >= set(NODES) - {"generate", "check_quality"}, set(NODES) - set(BOXES)
    parts = [*arrows(), *(part for name, node in BOXES.items() for part in node_parts(name, node)), *words()]
    return document(WIDTH, HEIGHT, "The data flow of one run of pada", parts)


def node_parts(name: str, node: Node) -> list[str]:
    width, height = BOX
    middle = node.x + width / 2
    return [
        box(node.x, node.y, width, height, COLOURS[node.who]),
        text(middle, node.y + 22, name, size=14, font=MONO),
        text(middle, node.y + 42, node.does, size=12, fill=MUTED),
        text(middle, node.y + 61, node.writes, size=11, fill=INK, font=MONO),
    ]


def arrows() -> list[str]:
    """Edges of the graph; dashed ones depend on what came out."""
    width, height = BOX
    middle = height / 2

    def right(one: str, other: str, *, dashed: bool = False) -> str:
        start, end = BOXES[one], BOXES[other]
        return arrow([(start.x + width, start.y + middle), (end.x - 2, end.y + middle)], dashed=dashed)

    def left(one: str, other: str) -> str:
        start, end = BOXES[one], BOXES[other]
        return arrow([(start.x, start.y + middle), (end.x + width + 2, end.y + middle)])

    gate, analyze, rows = BOXES["gate"], BOXES["analyze_errors"], BOXES["review_rows"]
    turn = gate.x + width / 2
    down = MIDDLE - 34
    low = BOTTOM + height + 30
    return [
        right("fine_tune", "evaluate"),
        right("evaluate", "gate"),
        right("gate", "finish", dashed=True),
        arrow(
            [
                (turn, TOP + height),
                (turn, down),
                (analyze.x + width / 2, down),
                (analyze.x + width / 2, MIDDLE - 2),
            ],
            dashed=True,
        ),
        left("analyze_errors", "find_patterns"),
        left("find_patterns", "draft_strategies"),
        left("draft_strategies", "review"),
        arrow([(119, MIDDLE + height), (119, BOTTOM - 2)]),
        right("allocate", "augment"),
        right("augment", "accept"),
        right("accept", "review_rows"),
        arrow(
            [
                (rows.x + width / 2, BOTTOM + height),
                (rows.x + width / 2, low),
                (20, low),
                (20, TOP + middle),
                (38, TOP + middle),
            ]
        ),
    ]


def words() -> list[str]:
    parts = [
        text(40, 40, "One run", size=18, anchor="start"),
        text(
            40,
            62,
            "Rows, texts and vectors are files of the round. The graph's state holds only counts and ids.",
            size=12,
            fill=MUTED,
            anchor="start",
        ),
        text(694, TOP + 28, "no more rounds", size=11, fill=MUTED, anchor="start"),
        text(610, MIDDLE - 40, "failures left", size=11, fill=MUTED, anchor="start"),
        text(
            500,
            BOTTOM + 98,
            "next round: train on the given rows and everything accepted so far",
            size=11,
            fill=MUTED,
        ),
        text(359, BOTTOM - 8, "rejected batches go back", size=11, fill=MUTED),
    ]
    for place, (who, label) in enumerate(LEGEND.items()):
        x = 40 + 240 * place
        parts += [box(x, HEIGHT - 40, 16, 16, COLOURS[who]), text(x + 24, HEIGHT - 27, label, anchor="start")]
    return parts
