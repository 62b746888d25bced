"""What most files of a release agree on, so that the odd one out is blamed and not all the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable
from typing import TypeVar

T = TypeVar("T", bound=Hashable)


def prevailing(values: Iterable[T]) -> T | None:
    """The value that comes most often, of several such the first; None of none."""
    most = Counter(values).most_common(1)
    return most[0][0] if most else None


def usual_crops(videos: Collection[Collection[int]]) -> set[int]:
    """The crops that at least half of the videos have; where there are none such, all."""
    counts = Counter(crop for crops in videos for crop in crops)
    return {crop for crop, count in counts.items() if 2 * count >= len(videos)} or set(counts)
