"""SQuAD's own file: articles with paragraphs with questions, unfolded to one row a question."""

from __future__ import annotations

from typing import Any


def unfold_squad(rows: list[Any]) -> list[Any]:
    """Rows of question, context, answers and title, where the rows are articles; any other rows as they are."""
    if not rows or not all(isinstance(row, dict) and isinstance(row.get("paragraphs"), list) for row in rows):
        return rows
    return [
        {
            "id": question.get("id"),
            "title": article.get("title"),
            "context": paragraph.get("context"),
            "question": question.get("question"),
            "answers": [answer.get("text") for answer in question.get("answers") or []],
        }
        for article in rows
        for paragraph in article["paragraphs"]
        for question in paragraph.get("qas") or []
    ]
