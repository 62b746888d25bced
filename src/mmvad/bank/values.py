"""Which numbers a bank takes: floats, every one of them finite."""

from __future__ import annotations

import numpy as np

from mmvad.errors import UserError

FLOATS = ("float16", "float32", "float64")


def check_finite(rows: np.ndarray, where: object) -> None:
    """Raises UserError, naming `where` and the first such row, if any number of [n, d] is NaN or infinite."""
    finite = np.isfinite(rows)
    if not finite.all():
        bad = np.flatnonzero(~finite.all(axis=1))
        value = rows[bad[0]][~finite[bad[0]]][0]
        raise UserError(
            where,
            f"{value} in row {bad[0]} ({len(bad)} of {len(rows)} rows)",
            expected="finite numbers",
            fix="compute the features of this video again: whatever wrote them divided by zero or overflowed",
        )
