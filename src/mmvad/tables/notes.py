"""What stands below a table: what is missing, what does not compare, what the marks and brackets mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from mmvad.benchmarks.registry import known_benchmark
from mmvad.config.schema import CHOSEN
from mmvad.tables.definitions import SPELLED, Metric, Settings, base_file, usual
from mmvad.tables.filled import SEEDS_ONLY, SELECTED_ON_TEST, FilledRow
from mmvad.tables.frame import scores_from
from mmvad.tables.published import confidence_notes
from mmvad.tables.results import Record, RowRuns, Selection, equal, mixtures

OURS_NAME = "ours"
"""How our method is called among others."""


def row_notes(rows: Sequence[FilledRow], metrics: Sequence[Metric]) -> list[str]:
    """What is missing and which command makes it; why a figure is missing in a row that is there."""
    absent = [row for row in rows if row.absent and row.absent != "no audio" and not row.failed]
    commands = sorted({str(row.absent) for row in absent})
    missing = {c: ", ".join(_short(row) for row in absent if row.absent == c) for c in commands}
    notes = [f"failed: {_short(row)} (seed {seed}): {reason}" for row in rows for seed, reason in row.failed]
    notes += [f"missing: {labels}; run `{command}`" for command, labels in missing.items()]
    reasons = [c.reason for row in rows if row.absent is None for c in row.cells if c.reason]
    notes += [f"-: {reason}" for reason in together(reasons) if reason != "not published"]
    if any(row.absent == "no audio" for row in rows):
        notes.append("no audio: the videos of this benchmark are silent, so rows that use sound are not run")
    if any(row.difference and row.difference.seeds_only for row in rows):
        notes.append(
            f"{SEEDS_ONLY} interval over seeds alone, so too narrow: scores.npz of a run of the row or the base row "
            "is not here (`mmvad sweep pull` brings reports alone)"
        )
    if any(row.selected_on_test for row in rows):
        notes.append(f"{SELECTED_ON_TEST} {CHOSEN['best_test']}")
    on_held_out = [_short(row) for row in rows if row.select == "best_val"]
    notes += [f"{CHOSEN['best_val']}: {', '.join(on_held_out)}"] if on_held_out else []
    if any(len(row.seeds) == 1 and not row.elsewhere for row in rows):
        notes.append("rows with n = 1 have no standard deviation: run more seeds (--seeds; make: SEEDS=)")
    if any(metric.name == "test_fps" for metric in metrics):
        notes.append(
            "FPS: 16 x test snippets / seconds of each run's own test, reading included; compare on one device"
        )
    return notes


def figure_note(metrics: Sequence[Metric], *, published: bool = False) -> list[str]:
    """Of which score a table's figures are, and which variant its mAP is.

    Args:
        published: the table has rows of published figures too, whose sources say what they are.
    """
    frame = [metric.heading for metric in metrics if metric.score == "combined"]
    messages = [f"{', '.join(frame)}: of the combined score"] if frame else []
    messages += ["mAP: the published variant"] if any(metric.score == "events" for metric in metrics) else []
    where = ", in the rows that were run here; rows without n hold published figures" if published else ""
    return [f"{'; '.join(messages)}{where}"] if messages else []


def _short(row: FilledRow) -> str:
    return row.lead[0] if len(row.lead) == 1 else f"{row.lead[0]} ({row.lead[-1]})"


def honesty_notes(
    benchmark: str, selection: Selection, others: Mapping[str, Sequence[Record]] = MappingProxyType({})
) -> list[str]:
    """What keeps a table's figures from being compared with each other, or with published ones.

    Args:
        others: runs of other methods in the table, by the name of their row.
    """
    records = {OURS_NAME: [record for row in selection.rows for record in row.runs], **others}
    records = {name: runs for name, runs in records.items() if runs}
    return [
        *(f"{OURS_NAME}: {note}" if others else note for note in _settings_notes(benchmark, selection)),
        *_size_notes(benchmark, records),
        *_bank_notes(_run_here(records)),
        *_run_notes(selection, [record for runs in _run_here(records).values() for record in runs]),
    ]


def _run_here(records: Mapping[str, Sequence[Record]]) -> dict[str, list[Record]]:
    """The runs of this suite: scores from elsewhere have neither bank nor device."""
    here = {name: [record for record in runs if not scores_from(record)] for name, runs in records.items()}
    return {name: runs for name, runs in here.items() if runs}


def _by(records: Mapping[str, Sequence[Record]], key: str) -> dict[Any, list[str]]:
    """The names of the rows by the value of a key."""
    names: dict[Any, list[str]] = {}
    for name, runs in records.items():
        for value in dict.fromkeys(record[key] for record in runs):
            names.setdefault(value, []).append(name)
    return names


def _size_notes(benchmark: str, records: Mapping[str, Sequence[Record]]) -> list[str]:
    official = known_benchmark(benchmark).official_counts["test"]
    sizes = _by(records, "test_videos")
    other = {size: f" ({', '.join(sizes[size])})" if len(sizes) > 1 else "" for size in sorted(sizes)}
    found = ", ".join(f"{size}{names}" for size, names in other.items() if size != official)
    if not official or not found:
        return []
    return [f"tested on {found} videos; the official test set has {official}: not comparable with published figures"]


def _bank_notes(records: Mapping[str, Sequence[Record]]) -> list[str]:
    """Rows of other data: a bank that not every row has. Of folds every row has all."""
    banks = _by(records, "bank_hash")
    if all(len(rows) == len(records) for rows in banks.values()):
        return []
    named = "; ".join(f"{content[:12]} ({', '.join(names)})" for content, names in banks.items())
    return [f"the rows are of different banks, and compare with care: {named}"]


def crop_note(records: Mapping[str, Sequence[Record]], base: str | None = None) -> list[str]:
    """Which rows were tested on which crops, where they differ.

    Args:
        records: the runs of each row, by its name.
        base: the row that the others' differences are to.
    """
    rows: dict[str, list[str]] = {}
    for name, runs in _run_here(records).items():
        for crop in dict.fromkeys(_crop(run) for run in runs):
            rows.setdefault(crop, []).append(name)
    if len(rows) < 2:
        return []
    most = max(rows, key=lambda crop: len(rows[crop]))
    crops = [f"{crop} ({', '.join(rows[crop])})" for crop in rows if crop != most]
    others = "the others" if len(rows[most]) > 1 else rows[most][0]
    across = f"; where a row's crop is not that of {base}, its difference is the crop's too" if base else ""
    return [f"tested on different crops: {', '.join(crops)}, {most} ({others}){across}"]


def _crop(record: Record) -> str:
    return "all" if record.get("quirks.all_crops") else f"{record['data.test_crop']:g}"


def _settings_notes(benchmark: str, selection: Selection) -> list[str]:
    """Where the runs are not what `experiments/BENCHMARK.yaml` says: a short run must not pass for the paper's."""
    command = selection.command
    near = [f"no run is what `{command}` makes: these are the runs nearest to the base"] if command else []
    base = base_file(benchmark)
    if base is None:
        return near
    differing = other_settings(selection.context, usual(benchmark))
    return (
        [*near, f"settings other than those of experiments/{base.name}: {', '.join(differing)}"] if differing else near
    )


def other_settings(settings: Settings, shipped: Settings) -> list[str]:
    """Where settings differ from the shipped ones, as `key=value`; what they do not name is as it was shipped."""
    return [
        f"{key}={settings[key]}"
        for key, value in shipped.items()
        if settings.get(key) is not None and not _same(key, settings[key], value)
    ]


def _same(key: str, value: Any, shipped: Any) -> bool:
    # A path may hold the same weights; random ones are others for certain.
    if key == "model.text.weights":
        return (value == "random") == (shipped == "random")
    return equal(value, shipped)


def caption_notes(benchmark: str, selection: Selection, rows: Sequence[RowRuns]) -> str:
    """What a figure's caption has to say of the runs that it shows, as sentences; empty where there is nothing.

    Args:
        selection: where the rows are from.
        rows: those that are drawn.
    """
    messages = chosen_notes([(row.row.label, row.runs[0]["select"]) for row in rows if row.runs])
    return sentences([*messages, *_settings_notes(benchmark, selection)])


def chosen_notes(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Of which rows the checkpoint was not the last epoch's, given each row's name and its `select`."""
    names = {select: [name for name, policy in rows if policy == select] for select in CHOSEN}
    return [f"{CHOSEN[select]}: {', '.join(found)}" for select, found in names.items() if found]


def first_few(found: Sequence[str], most: int = 4) -> str:
    """The first of them, each once, and how many more there are."""
    different = list(dict.fromkeys(found))
    more = [f"and {len(different) - most} more"] if len(different) > most else []
    return "; ".join([*different[:most], *more])


def together(found: Sequence[str]) -> list[str]:
    """Findings `where: what` with the places of one finding before it."""
    places: dict[str, list[str]] = {}
    for finding in dict.fromkeys(found):
        where, colon, what = finding.partition(": ")
        places.setdefault(what if colon else where, []).extend([where] if colon else [])
    return [f"{first_few(where).replace('; ', ', ')}: {what}" if where else what for what, where in places.items()]


def sentences(notes: Sequence[str]) -> str:
    """Notes as they go on after a caption's first sentence."""
    return "".join(f" {note[0].upper()}{note[1:]}." for note in notes)


def count_note(rows: Sequence[int]) -> str:
    """Over how many seeds means are, given the number of each: `n = 3`, `n = 1 to 3`."""
    fewest, most = min(rows), max(rows)
    return f"n = {most}" if fewest == most else f"n = {fewest} to {most}"


def _run_notes(selection: Selection, records: Sequence[Record]) -> list[str]:
    mixed = mixtures(records)
    notes = [f"this table mixes runs of different {'; '.join(mixed)}"] if mixed else []
    repeated = sum(row.repeated for row in selection.rows)
    notes += [f"{repeated} runs of a seed that a row has already are left out"] if repeated else []
    if selection.unfinished:
        notes.append(f"unfinished or failed, and left out: {', '.join(selection.unfinished)}")
    if selection.rivals:
        others = first_few(selection.rivals)
        notes.append(f"other runs fill some of these rows under other settings and are left out: {others}")
    return notes


def paper_notes(rows: Sequence[FilledRow], benchmark: str) -> list[str]:
    """Where the paper's figures beside ours are from, and what they read where that is not what our rows do."""
    figures = [figure for row in rows for figure in row.paper if figure]
    ours = SPELLED[usual(benchmark)["modalities"]]
    others = sorted({figure.modality for figure in figures if figure.modality} - {ours})
    notes = [f"the paper's figures are filed under {', '.join(others)}; the rows beside them read {ours}"]
    return [*(notes if others else []), *confidence_notes(figures)]
