from __future__ import annotations

import pytest

from mmvad.errors import UserError
from mmvad.releases.arrays.axes import CROPS_ROWS, ROWS, ROWS_CROPS, axes_named, told_axes


@pytest.mark.parametrize(
    ("shapes", "known", "axes"),
    [
        ([(7, 512)], {}, ROWS),
        ([(7, 512)], {"width": 512, "crops": 10}, ROWS),
        ([(7, 10, 512)], {"crops": 10}, ROWS_CROPS),
        ([(10, 7, 512)], {"crops": 10}, CROPS_ROWS),
        ([(10, 7, 512), (10, 9, 512)], {}, CROPS_ROWS),
        ([(10, 10, 512), (9, 10, 512)], {"crops": 10}, ROWS_CROPS),
        ([(1, 7, 512), (1, 1, 512)], {}, CROPS_ROWS),
        ([*((n, 10, 512) for n in range(5, 15)), (7, 9, 512)], {}, ROWS_CROPS),
    ],
)
def test_axes_that_the_sizes_tell(shapes: list[tuple[int, ...]], known: dict[str, int], axes: object) -> None:
    assert told_axes(shapes, "v", **known) == axes  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shapes", "known", "problem"),
    [
        ([(7, 10, 512)], {}, "do not tell rows from crops"),
        ([(10, 10, 512)], {"crops": 10}, "do not tell rows from crops"),
        ([(7, 10, 512)], {"crops": 5}, r"(?s)neither rows, crops, columns nor.*expected: 5 crops"),
        ([(512, 7)], {"width": 512}, r"(?s)is not rows, columns.*512 columns.*say axes: columns,rows"),
        ([(10, 512, 7)], {"width": 512, "crops": 10}, r"(?s)neither.*say axes: crops,columns,rows"),
        ([(7, 5, 512), (8, 6, 512)], {}, r"as many crops in every file"),
        ([(7, 512), (7, 10, 512)], {}, "of 3 axes, others have 2"),
        ([(7,)], {}, "of 1 axis"),
    ],
)
def test_axes_that_they_do_not_tell(shapes: list[tuple[int, ...]], known: dict[str, int], problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        told_axes(shapes, "v", **known)  # type: ignore[arg-type]


def test_axes_are_named_in_any_order() -> None:
    assert axes_named("crops, rows,columns", "file") == CROPS_ROWS
    for text in ("rows", "rows,crops", "rows,rows,columns", ""):
        with pytest.raises(UserError, match="names no axes"):
            axes_named(text, "file")
    with pytest.raises(UserError, match="did you mean: rows,crops,columns"):
        axes_named("rows,crop,columns", "file")
