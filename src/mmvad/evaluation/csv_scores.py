"""Scores from a CSV: a column `video`, one that counts (`row`, `snippet` or `frame`), `score`, one for each class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.benchmarks.timeline import SNIPPET_FRAMES
from mmvad.errors import UserError, nearest_name

COUNTS = ("row", "snippet", "frame")


@dataclass(frozen=True)
class CsvScores:
    """Arrays by video and part (`combined`, `classes`), and what a line stands for, where its column says it."""

    parts: dict[tuple[str, str], np.ndarray]
    per: Literal["row", "frame"] | None


def read_csv(path: Path, benchmark: Benchmark) -> CsvScores:
    """The table's scores. The lines of a video may stand anywhere; its rows are put in the order of their count.

    Raises UserError for a missing or unknown column, a field that is no number, and rows that are missing or twice.
    """
    table = _load(path)
    classes = _class_columns(path, list(table.columns), benchmark)
    counter = next((name for name in COUNTS if name in table.columns), None)
    numbers = [*([counter] if counter else []), *(["score"] if "score" in table.columns else []), *classes]
    for column in numbers:
        _check_numbers(path, table, column)
    parts: dict[tuple[str, str], np.ndarray] = {}
    steps: set[int] = set()
    for name, lines in table.groupby("video", sort=False):
        ordered = lines.sort_values(counter, kind="stable") if counter else lines
        if counter:
            steps |= _steps(path, str(name), ordered[counter].to_numpy())
        if "score" in table.columns:
            parts[str(name), "combined"] = ordered["score"].to_numpy(dtype=np.float64)
        if classes:
            parts[str(name), "classes"] = ordered[classes].to_numpy(dtype=np.float64)
    return CsvScores(parts, _per(path, counter, steps))


def _load(path: Path) -> Any:
    import pandas as pd  # here, so that arrays are read without it

    try:
        separator = "\t" if path.suffix.lower() == ".tsv" else ","
        table = pd.read_csv(path, sep=separator, skipinitialspace=True, dtype={"video": str})
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise UserError(path, f"cannot be read as a table: {error}", expected="video, row, score") from None
    table.columns = [str(column).strip() for column in table.columns]
    if "video" not in table.columns or not len(table):
        nearest = nearest_name("video", list(table.columns))
        problem = f"columns {list(table.columns)}" if len(table) else "has no line"
        raise UserError(
            f"{path}, line 1", problem, expected="video, row or frame, score, a column for each class", nearest=nearest
        )
    table["video"] = table["video"].fillna("").str.strip()
    nameless = np.flatnonzero(table["video"] == "")
    if len(nameless):
        raise UserError(f"{path}, line {nameless[0] + 2}", "names no video", expected="a test video")
    return table


def _class_columns(path: Path, columns: list[str], benchmark: Benchmark) -> list[str]:
    """The columns of the classes, normal first, under their keys or prompts; empty where there are none."""
    rest = [column for column in columns if column not in {"video", "score", *COUNTS}]
    if not rest and "score" not in columns:
        raise UserError(f"{path}, line 1", f"columns {columns}", expected="score, or a column for each class")
    if not rest:
        return []
    for names in (benchmark.class_keys, tuple(c.prompt for c in benchmark.classes)):
        if {*names} == {*rest}:
            return list(names)
    absent = [key for key in benchmark.class_keys if key not in rest]
    other = [column for column in rest if column not in benchmark.class_keys]
    problem = f"unknown columns {', '.join(other)}" if other else f"no column for {', '.join(absent)}"
    raise UserError(
        f"{path}, line 1",
        problem,
        expected=f"score, and one column for each class of {benchmark.title}: {', '.join(benchmark.class_keys)}",
        nearest=nearest_name(other[0], [*absent, "score", *COUNTS]) if other else None,
    )


def _check_numbers(path: Path, table: Any, column: str) -> None:
    import pandas as pd

    bad = np.flatnonzero(pd.to_numeric(table[column], errors="coerce").isna().to_numpy())
    if len(bad):
        value = table[column].iloc[bad[0]]
        shown = "an empty field or nan" if pd.isna(value) else repr(str(value))
        more = f" (and {len(bad) - 1} lines more)" if len(bad) > 1 else ""
        raise UserError(f"{path}, line {bad[0] + 2}", f"{column}: {shown} is no number{more}", expected="a number")


def _steps(path: Path, name: str, counts: np.ndarray) -> set[int]:
    """By how much a video's count rises; empty for a single line."""
    steps = {int(step) for step in np.unique(np.diff(counts))}
    if len(steps) > 1 or steps & {0}:
        problem = f"{name}: its rows are counted in steps of {', '.join(map(str, sorted(steps)))}"
        raise UserError(path, problem, expected="each row or frame once, none left out")
    if counts[0] not in {0, 1}:
        raise UserError(path, f"{name}: its first row is number {counts[0]:g}", expected="0 or 1")
    return steps


def _per(path: Path, counter: str | None, steps: set[int]) -> Literal["row", "frame"] | None:
    if counter is None:
        return None
    if counter == "frame" and steps == {SNIPPET_FRAMES}:
        return "row"
    if steps <= {1}:
        return "frame" if counter == "frame" else "row"
    found = ", ".join(map(str, sorted(steps)))
    raise UserError(
        path, f"{counter} rises in steps of {found}", expected="1 in every video, or 16 in every one for frames"
    )
