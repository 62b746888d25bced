"""`mmvad data new --like NAME`: a first file with the facts of a public benchmark, for the features in a folder."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from mmvad.benchmarks.definition import FRAME_FORMS, Table
from mmvad.benchmarks.name_lists import read_names
from mmvad.benchmarks.own_fields import own_name
from mmvad.benchmarks.records import Record, read_records
from mmvad.benchmarks.templates import Template, template
from mmvad.errors import UserError
from mmvad.releases.first_file import (
    FPS_LINE,
    TODO,
    Seen,
    audio_line,
    check_features,
    features_lines,
    look,
    names_of,
    row_line,
    video_table,
    videos_line,
)
from mmvad.system.disk import write_whole

_TABLE = "videos.csv"


def write_like(folder: Path, name: str) -> list[Path]:
    """Writes `NAME.yaml` into the folder, and `videos.csv` where the benchmark's facts ask for one; gives the files.

    Raises UserError for an unknown name, where a file is there already, and where there are no features.
    """
    given, seen = template(name), look(folder)
    file = folder / f"{name}.yaml"
    if file.exists():
        raise UserError(file, "is there already", fix="remove it, or write on in it")
    _leave_out_annotations(seen, folder, given)
    check_features(folder, seen)
    table = _own_table(seen, folder, given)
    new = folder / _TABLE if table is None and _wants_table(folder, given) else None
    text = _text(folder, given, seen, table, new)
    if new:
        fractions = given.definition.events is not None and given.definition.events.unit == "fractions"
        write_whole(new, video_table(seen, ("split", "frames") if fractions else ("split",)))
    write_whole(file, text.encode())
    return [file, new] if new else [file]


def _text(folder: Path, given: Template, seen: Seen, table: Path | None, new: Path | None) -> str:
    facts, definition = dict(given.blocks), given.definition
    videos, events = facts.pop("videos"), facts.pop("events")
    records = _records(folder, given, seen, table)
    names = _listed(folder, given, records) or set(names_of(seen))
    if table:
        videos = videos_line(folder, table, seen.tables[table])
    said = _annotations(given)
    if seen.events and not _there(folder, said):
        events = f"events: {seen.events.relative_to(folder).as_posix()}"
        said = ()
    lines = [
        f"# Written by `mmvad data new --like {given.name}`; lines with {TODO} want you.",
        "# docs/OWN_DATA.md says what each key is.",
        *(f"# {line}".rstrip() for line in definition.note.splitlines()),
        *facts.values(),
        *([] if "frames_per_second" in facts else [FPS_LINE]),
        row_line(seen, records, names),
        *([] if "audio" in facts else [audio_line(seen)]),
        *_to_fetch(folder, () if table or new else definition.videos),
        videos,
        *_to_fetch(folder, said),
        events,
        *features_lines(seen, names),
    ]
    return "\n".join(lines) + "\n"


def _annotations(given: Template) -> tuple[Table, ...]:
    return given.definition.events.tables if given.definition.events else ()


def _files(folder: Path, table: Table) -> list[Path]:
    """The files that a table's place means."""
    pattern = glob.escape(str(folder)) + "/" + table.file.replace("{video}", "*")
    return [Path(path) for path in glob.glob(pattern, recursive=True)]


def _there(folder: Path, tables: Iterable[Table]) -> bool:
    """Whether at least one of the tables is in the folder."""
    return any(_files(folder, table) for table in tables)


def _to_fetch(folder: Path, tables: Iterable[Table]) -> list[str]:
    missing = [table.file for table in tables if not _files(folder, table)]
    return [f"# {TODO}: fetch {' and '.join(missing)}, or name a table of your own"] if missing else []


def _leave_out_annotations(seen: Seen, folder: Path, given: Template) -> None:
    """Takes files of masks and tracks out of what was seen: they are arrays too."""
    claimed = {path for table in _annotations(given) if table.form in FRAME_FORMS for path in _files(folder, table)}
    kept = {pattern: [path for path in files if path not in claimed] for pattern, files in seen.files.items()}
    seen.files = {pattern: files for pattern, files in kept.items() if files}


def _own_table(seen: Seen, folder: Path, given: Template) -> Path | None:
    """A table of the user's that names videos and classes, where none of the benchmark's lists is there."""
    if _there(folder, given.definition.videos):
        return None
    annotations = {path for table in _annotations(given) for path in _files(folder, table)}
    others = {path: records for path, records in seen.tables.items() if path not in annotations}
    return Seen(tables=others).with_field("class")


def _wants_table(folder: Path, given: Template) -> bool:
    return any(table.file == _TABLE for table in given.definition.videos) and not (folder / _TABLE).exists()


def _records(folder: Path, given: Template, seen: Seen, table: Path | None) -> list[Record]:
    """What tables say of videos and their frames."""
    tables = (*given.definition.videos, *_annotations(given))
    known = [read_records(t, p) for t in tables if t.form == "table" for p in _files(folder, t)]
    return [record for records in known for record in records] or (seen.tables[table] if table else [])


def _listed(folder: Path, given: Template, records: Iterable[Record]) -> set[str]:
    """Names of the listed videos."""
    lists = [(t, path) for t in given.definition.videos if t.form == "names" for path in _files(folder, t)]
    names = {own_name(name) for table, path in lists for _, name in read_names(path, table.line)}
    return names | {own_name(name) for record in records if (name := record.text("video"))}
