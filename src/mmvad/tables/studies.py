"""The tables: I to XII of the paper, its Fig. 5, the choices that it leaves open, and those of sweeps of one's own.

Rows, values and order come from the sweep that makes a table; `tables.yaml` says what stands over and beside them.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.benchmarks.registry import known_benchmark, own_benchmark
from mmvad.config.shipped import find_file
from mmvad.errors import UserError, nearest_name
from mmvad.sweeps.definition import OVERLAY, Sweep
from mmvad.tables.definitions import COLUMNS, IN_TABLES, PAPER_ROW, PUBLISHED_COLUMNS, Comparison, Row, Study, base_file
from mmvad.tables.expected import Expected, expected_base, expected_rows, general_values, sweep_on, with_values
from mmvad.tables.labels import overlay_titles, own_label, swept_keys, table_label
from mmvad.tables.sidecar import ComparisonEntry, StudyEntry, entry_of_sweep, tables

Table = Study | Comparison
MODALITIES = "VI"
"""The study that our row among the methods is of."""
MEASURED, USED = "methods", "use"
"""The tables of methods without published figures: what was measured, and what scores are worth in use."""


def study_named(key: str, benchmark: str, overrides: Sequence[str] = ()) -> Study:
    """A study of `tables.yaml` on a benchmark, its cells under some overrides."""
    name = tables().studies[key].sweep
    return _study(_sweep_file(name).resolve(), benchmark, tuple(overrides), name, _surroundings(benchmark))


def studies(benchmark: str, overrides: Sequence[str] = ()) -> tuple[Study, ...]:
    """All that are tables, in the paper's order."""
    keys = (key for key, entry in tables().studies.items() if not entry.figure)
    return tuple(study_named(key, benchmark, overrides) for key in keys)


def tables_named(names: Sequence[str] | None, benchmark: str, overrides: Sequence[str] = ()) -> tuple[Table, ...]:
    """The tables of these names that a benchmark has, in the paper's order; without names all of them.

    A name is a table's key (X stands for Xa and Xb), a sweep of `tables.yaml`, or any other sweep file, which has a
    table of its own. Raises UserError for a name that is none of these.
    """
    check_names(names)
    asked = {name.strip().lower() for name in names or ()}
    found: list[Table] = [
        _comparison(key, entry, overrides)
        for key, entry in _comparisons(benchmark).items()
        if not asked or asked & _names(key, entry)
    ]
    found += [
        study_named(key, benchmark, overrides)
        for key, entry in tables().studies.items()
        if (asked & _names(key, entry) if asked else not entry.figure)
    ]
    known = _known()
    own = [_sweep_file(name.strip()) for name in names or () if name.strip().lower() not in known]
    return (*found, *(_study(file, benchmark, tuple(overrides), str(file), _surroundings(benchmark)) for file in own))


def _comparisons(benchmark: str) -> dict[str, ComparisonEntry]:
    """The tables of methods on a benchmark; on a user's those without published figures, as on planted."""
    entries = tables().comparisons
    everywhere = (MEASURED, USED) if own_benchmark(benchmark) else (USED,)
    anew = {key: entries[key].model_copy(update={"benchmark": benchmark}) for key in everywhere}
    return {key: entry for key, entry in entries.items() if entry.benchmark == benchmark and key not in anew} | anew


def check_names(names: Sequence[str] | None) -> None:
    """Raises UserError for a name of no table and no sweep."""
    known = _known()
    for name in sorted({name.strip() for name in names or ()}):
        if name.lower() not in known and find_file(name, "sweeps") is None:
            raise UserError(
                "--tables",
                f"unknown table {name!r}",
                expected=f"{', '.join([*tables().comparisons, *tables().studies])}, or a sweep",
                nearest=nearest_name(name.lower(), known),
            )


def study_of_sweep(sweep: Sweep, overrides: Sequence[str], command: str) -> Study:
    """The table that a grid makes: the one that `tables.yaml` has for its name, or one of its own.

    Args:
        command: makes what is missing.
    """
    key = entry_of_sweep(sweep.file.stem)
    entry = tables().studies[key] if key else None
    rows, base = expected_rows(sweep, overrides), expected_base(sweep, overrides)
    benchmark, models = base.config.benchmark, frozenset(row.config.model.name for row in rows)
    made = _rows(sweep, entry, rows, base, overrides)
    columns = tuple(COLUMNS[entry.metrics if entry else "main"](benchmark))
    if entry is None or key is None:
        name, title = f"sweep_{sweep.file.stem}", f"Sweep {sweep.name}"
        return Study(name, title, benchmark, "row", made, columns, command, models, own=True)
    return Study(key, entry.title, benchmark, entry.heading or _heading(sweep), made, columns, command, models)


def _surroundings(benchmark: str) -> tuple[Path, str, str]:
    """On what a study depends besides its file: the current folder, and what a user's benchmark is by now."""
    known = benchmark_named(benchmark)
    return Path.cwd(), known.written, repr(known.facts) if known.own else ""


@cache
def _study(
    file: Path, benchmark: str, overrides: tuple[str, ...], called: str, surroundings: tuple[Path, str, str]
) -> Study:
    """Cached by what a sweep depends on; names in it are looked up from the current folder."""
    sweep, further = sweep_on(file, benchmark, has_base=base_file(benchmark) is not None)
    words = ["mmvad", "sweep", "run", called, "--benchmark", surroundings[1]]
    command = shlex.join([*words, *(["--set", *overrides] if overrides else [])])
    return study_of_sweep(sweep, [*further, *overrides], command)


def _comparison(key: str, entry: ComparisonEntry, overrides: Sequence[str]) -> Comparison:
    columns = {name: metric for word in entry.metrics for name, metric in PUBLISHED_COLUMNS[word].items()}
    columns |= {} if entry.fine else IN_TABLES
    ours = study_named(MODALITIES, entry.benchmark, overrides)
    words = ["mmvad", "sweep", "run", entry.sweep, "--benchmark", benchmark_named(entry.benchmark).written]
    command = shlex.join([*words, *(["--set", *overrides] if overrides else [])])
    flags = {"supervision": entry.supervision, "modalities": entry.modalities, "fine": entry.fine}
    return Comparison(key, entry.title, entry.benchmark, columns, command, ours, **flags)


def _rows(
    sweep: Sweep, entry: StudyEntry | None, rows: list[Expected], base: Expected, overrides: Sequence[str]
) -> tuple[Row, ...]:
    """The sweep's rows, the base row where none of them is it, and those that a silent benchmark cannot run."""
    silent = _silent(sweep, base.config.benchmark, entry, overrides)
    extra = [] if any(row.recipe == base.recipe for row in rows) else [base]
    everything = _ordered(sweep, rows, silent, extra)
    keys = dict.fromkeys(key for row in everything for key in row.settings)
    varied = [key for key in keys if len({repr(row.settings.get(key)) for row in everything}) > 1]
    titles = overlay_titles(sweep, rows)

    def made(row: Expected) -> Row:
        return Row(
            table_label(sweep, row.values, entry.labels) if entry else own_label(sweep, row.values, titles),
            {key: row.settings.get(key) for key in varied},
            row.recipe,
            published=_published(sweep, entry, row, base),
            base=row.recipe == base.recipe,
            planned=row is not base,
            silent=any(row is other for other in silent),
        )

    return tuple(made(row) for row in everything)


def _published(sweep: Sweep, entry: StudyEntry | None, row: Expected, base: Expected) -> str | None:
    """The name of the row's figure among the published ones; without an entry a table has none."""
    if entry and entry.published:
        return entry.published.format(value=row.values[swept_keys(sweep)[0]])
    return PAPER_ROW if entry and row.recipe == base.recipe else None


def _silent(sweep: Sweep, benchmark: str, entry: StudyEntry | None, overrides: Sequence[str]) -> list[Expected]:
    """What the general file of a sweep has for benchmarks with sound alone, where this one is silent."""
    keys = swept_keys(sweep)
    if entry is None or not entry.needs_audio or len(keys) != 1 or has_sound(benchmark):
        return []
    left = [value for value in general_values(sweep, keys[0]) if value in entry.needs_audio]
    return expected_rows(with_values(sweep, keys[0], left), overrides) if left else []


def _ordered(sweep: Sweep, rows: list[Expected], silent: list[Expected], extra: list[Expected]) -> list[Expected]:
    """Numbers by number; rows that cannot be run at their place in the general file; all others as they are."""
    keys = swept_keys(sweep)
    if len(keys) != 1:
        return [*rows, *extra]
    values = [row.values.get(keys[0]) for row in [*rows, *extra]]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return sorted([*rows, *extra], key=lambda row: float(row.values[keys[0]]))
    places = general_values(sweep, keys[0]) if silent else []
    return [*sorted([*rows, *silent], key=lambda r: _place(places, r.values[keys[0]])), *extra]


def _place(values: Sequence[object], value: object) -> int:
    return values.index(value) if value in values else len(values)


def _heading(sweep: Sweep) -> str:
    keys = swept_keys(sweep)
    return keys[0] if len(keys) == 1 and keys[0] != OVERLAY else "row"


def has_sound(benchmark: str) -> bool:
    """Whether rows that use sound can be run; UCF-Crime's videos are silent."""
    return known_benchmark(benchmark).audio == "required"


def _sweep_file(name: str) -> Path:
    file = find_file(name, "sweeps")
    if file is None:
        raise UserError(name, "no such sweep file", expected="one of the shipped sweeps, or a file")
    return file


def _known() -> set[str]:
    """Every name that stands for tables of `tables.yaml`, in small letters."""
    entries: dict[str, StudyEntry | ComparisonEntry] = {**tables().comparisons, **tables().studies}
    return {name for key, entry in entries.items() for name in _names(key, entry)}


def _names(key: str, entry: StudyEntry | ComparisonEntry) -> set[str]:
    """`Xa` answers to xa and x, and every table to its sweep."""
    short = {key.rstrip("ab").lower()} if key[0] in "IVX" else set()
    return {key.lower(), entry.sweep, *short}
