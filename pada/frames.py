"""Rows as pandas data frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from app.errors import PadaError

if TYPE_CHECKING:
    import pandas as pd


def frame(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """A data frame with these columns, also where there are no rows.

    Raises:
        PadaError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise PadaError("Data frames need pandas: pip install 'pada[pandas]'.") from None
    return pd.DataFrame(list(rows), columns=list(columns))
