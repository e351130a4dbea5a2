"""`compare.html`: one file that opens offline and shows what is in `compare.json`."""

from __future__ import annotations

from app.compare.models import Results
from app.compare.wording import basis, headline
from app.report.html import render_document


def render_page(results: Results) -> str:
    """The page as one self-contained document. See `app.report.html.render_document`."""
    from app.compare.charts import charts  # Altair takes half a second

    return render_document(
        "compare.html",
        charts(results),
        results=results,
        headline=headline(results),
        basis=basis(results),
        seeds=len(results.rows[0].seeds),
    )
