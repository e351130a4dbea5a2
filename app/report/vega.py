"""The script that draws charts: Vega, Vega-Lite and vega-embed as one (0.9 MB), from the vl-convert package.

`python -m app.report.vega` writes it to standard output, for a process that must not hold the package: it takes 100 MB.
"""

from __future__ import annotations

import sys
from functools import cache


@cache
def vega() -> str:
    """The script; it defines `vegaEmbed`. The first call takes a second."""
    import vl_convert

    return str(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


if __name__ == "__main__":
    sys.stdout.write(vega())
