"""`mmvad data new`: looks at a folder of features and tables and writes a first benchmark's file, to be filled in."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from yaml import YAMLError

from mmvad.benchmarks.definition import Table
from mmvad.benchmarks.own_lists import own_name
from mmvad.benchmarks.records import Record, read_records
from mmvad.benchmarks.registry import BENCHMARKS
from mmvad.errors import UserError
from mmvad.releases.arrays.reading import FORMATS, ArrayHeader, read_header
from mmvad.system.disk import write_whole
from mmvad.system.plain_yaml import parse_yaml

_TABLES = (".csv", ".tsv", ".json", ".jsonl")
_SOUND = re.compile(r"audio|sound|vggish|yamnet", re.I)
_NORMAL = re.compile(r"(training_|testing_)?normal|no(ne|anomaly|fight)?$|background|0$|a$", re.I)
_CROP = re.compile(r"__\d+$")
_SAMPLE = 20
_USUAL_ROWS = (1, 2, 4, 8, 10, 12, 15, 16, 24, 25, 30, 32, 64)
TODO = "TODO"


@dataclass
class Seen:
    """What a folder holds.

    Attributes:
        files: of features, by the pattern that they follow.
        tables: with their records, as far as they name videos.
    """

    files: dict[str, list[Path]] = field(default_factory=dict)
    tables: dict[Path, list[Record]] = field(default_factory=dict)

    @property
    def visual(self) -> str:
        """The pattern with the most files that does not look like sound."""
        return max(self._of(sound=False), key=lambda pattern: len(self.files[pattern]), default="")

    @property
    def audio(self) -> str:
        return max(self._of(sound=True), key=lambda pattern: len(self.files[pattern]), default="")

    def _of(self, *, sound: bool) -> list[str]:
        return [pattern for pattern in self.files if bool(_SOUND.search(pattern)) is sound]

    def with_field(self, name: str) -> Path | None:
        """The table that has the field in most of its records."""
        counts = {path: sum(name in r.fields for r in records) for path, records in self.tables.items()}
        best = max(counts, key=lambda path: counts[path], default=None)
        return best if best is not None and counts[best] else None


def look(folder: Path) -> Seen:
    """What lies in the folder. Raises UserError where it holds no features."""
    if not folder.is_dir():
        raise UserError(folder, "no such folder", expected="a folder with files of features")
    seen = Seen()
    for here, folders, names in os.walk(folder):
        folders.sort()
        for path in (Path(here) / name for name in sorted(names) if not name.startswith(".")):
            if path.suffix.lower() in _TABLES and (records := _records(path)):
                seen.tables[path] = records
            elif path.suffix.lower() in FORMATS:
                seen.files.setdefault(_pattern(folder, path), []).append(path)
    seen.files = {pattern: files for pattern, files in seen.files.items() if any(map(_is_features, files[:_SAMPLE]))}
    if not seen.files:
        known = ", ".join(FORMATS)
        fix = "make features of videos first: mmvad extract VIDEOS --out DIR"
        raise UserError(folder, "holds no features", expected=f"files of arrays ({known})", fix=fix)
    return seen


def write_first_file(folder: Path) -> list[Path]:
    """Writes `FOLDER.yaml` into the folder, and `videos.csv` where no table names the videos; gives the files.

    Raises UserError where a file is there already, and where there are no features.
    """
    seen = look(folder)
    file = folder / f"{folder.resolve().name}.yaml"
    listed, new = seen.with_field("class"), []
    if file.exists():
        raise UserError(file, "is there already", fix="remove it, or write on in it")
    if listed is None:
        listed = folder / "videos.csv"
        if listed.exists():
            raise UserError(listed, "is there already and names no videos", expected="the column video")
        write_whole(listed, _video_table(seen).encode())
        new.append(listed)
    write_whole(file, _definition(folder, seen, listed).encode())
    return [file, *new]


def _records(path: Path) -> list[Record]:
    try:
        return read_records(Table(file=path.name), path)
    except UserError:
        return []


def _pattern(folder: Path, path: Path) -> str:
    """The file's place with {video} and {crop}; a folder between stands for itself, unless it names a class."""
    place = path.relative_to(folder)
    stem = "{video}__{crop}" if _CROP.search(path.stem) else "{video}"
    alike = [p for p in place.parts[:-1] if p.lower() not in path.stem.lower()]
    middle = "/".join(part if part in alike else "*" for part in place.parts[:-1])
    return f"{middle}/{stem}{path.suffix}".lstrip("/")


def _is_features(path: Path) -> bool:
    return _header(path) is not None


def _header(path: Path) -> ArrayHeader | None:
    try:
        return read_header(path, told=False)
    except UserError:
        return None


def _names(seen: Seen) -> list[str]:
    return sorted({_CROP.sub("", own_name(path.name)) for path in seen.files[seen.visual]})


def _video_table(seen: Seen) -> str:
    """Every video that has features; split and class are to be filled in, frames are taken from what says them."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    told = {own_name(r.text("video") or ""): r for records in seen.tables.values() for r in records}
    known = [name for name in ("frames", "fps") if any(name in record.fields for record in told.values())]
    table.writerow(["video", "split", "class", *known])
    for name in _names(seen):
        record = told.get(name)
        table.writerow([name, TODO, TODO, *((record.text(key) if record else "") or "" for key in known)])
    return out.getvalue()


def _definition(folder: Path, seen: Seen, listed: Path) -> str:
    records = seen.tables.get(listed, [])
    headers = [h for path in seen.files[seen.visual][:_SAMPLE] if (h := _header(path))]
    width = headers[0].shape[-1] if headers else 0
    events = seen.with_field("start") or seen.with_field("events")
    place = _yaml(listed.relative_to(folder).as_posix())
    has_split = any("split" in record.fields for record in records) or not records
    lines = [
        f"# Written by `mmvad data new`; lines with {TODO} want you. docs/OWN_DATA.md says what each key is.",
        f"# {len(_names(seen))} videos with features of {width} columns.",
        *_name(folder.resolve().name),
        f"title: {_yaml(folder.resolve().name)}",
        "classes:                    # key: prompt; the normal class first",
        *_classes(records, _with_events(seen, events)),
        "headline: ap                # or auc",
        f"frames_per_second: 30       # {TODO}: of the videos",
        f"row: {_row(seen, headers, records)}",
        f"audio: {'optional' if seen.audio else 'none'}",
        f"videos: {_yaml(place)}"
        if has_split
        else f"videos: {{file: {_yaml(place)}, split: train}}   # {TODO}: which split?",
        f"events: {_yaml(events.relative_to(folder).as_posix())}"
        if events
        else f"# events: events.csv      # {TODO}: video,class,start,end",
        "features:",
        f"  name: own                 # {TODO}: what the picture was read with",
        f"  visual: {json.dumps(seen.visual, ensure_ascii=False)}",
        *([f"  audio: {json.dumps(seen.audio, ensure_ascii=False)}"] if seen.audio else []),
    ]
    return "\n".join(lines) + "\n"


def _name(folder: str) -> list[str]:
    """The line that gives the benchmark a name, where the folder's cannot stand for it."""
    plain = re.sub(r"[^A-Za-z0-9_.+-]", "_", folder)
    name = plain if plain[:1].isalpha() and plain not in BENCHMARKS else f"my_{plain}"
    return [f"name: {name}"] if name != folder else []


def _yaml(text: str) -> str:
    """A text so that YAML reads it as that text; quoted where it would take it for something else."""
    with suppress(YAMLError):
        if parse_yaml(f"[{text}]") == [text]:
            return text
    return json.dumps(text, ensure_ascii=False)


def _with_events(seen: Seen, events: Path | None) -> set[str]:
    """The videos that have events."""
    records = [r for r in seen.tables.get(events or Path(), []) if r.fields.get("events") != []]
    return {own_name(name) for r in records if (name := r.text("video"))}


def _classes(records: Sequence[Record], eventful: set[str]) -> list[str]:
    """Lines of the classes: first the one that sounds normal, or else the one whose videos have no events."""
    found = Counter(str(record.fields["class"]).strip() for record in records if record.text("class"))
    seldom = Counter(str(r.fields["class"]).strip() for r in records if own_name(r.text("video") or "") in eventful)
    keys = sorted(found, key=lambda key: (not _NORMAL.match(key), seldom[key] > 0, key))
    if not keys:
        return [f"  normal: normal            # {TODO}", f"  anomaly: something unusual   # {TODO}"]
    note = "" if _NORMAL.match(keys[0]) else f"   # {TODO}: is this the normal class?"
    prompts = {
        key: "normal" if i == 0 else re.sub(r"(?<=[a-z])(?=[A-Z])|[_-]", " ", key).lower() for i, key in enumerate(keys)
    }
    quoted = {json.dumps(key, ensure_ascii=False): _yaml(prompt) for key, prompt in prompts.items()}
    return [f"  {key}: {prompt} {note if i == 0 else ''}".rstrip() for i, (key, prompt) in enumerate(quoted.items())]


def _row(seen: Seen, headers: Sequence[ArrayHeader], records: Sequence[Record]) -> str:
    """What a row stands for, as far as rows and frames tell."""
    rows = {own_name(h.path.name): h.shape[-2] for h in headers if len(h.shape) == 2}
    if len(rows) > 2 and len(set(rows.values())) == 1:
        count = next(iter(rows.values()))
        return f"{{video: {count}}}            # every file has {count} rows"
    ratios = [float(frames) / rows[name] for name, frames in _frames(records).items() if name in rows]
    if not ratios:
        return f"16                      # {TODO}: frames of a row; {{seconds: 1}} or {{video: 32}} may be said too"
    middle = sorted(ratios)[len(ratios) // 2]
    usual = min(_USUAL_ROWS, key=lambda known: abs(known - middle))
    found = usual if abs(usual - middle) < 0.15 * usual else round(middle)
    return f"{found}                       # frames of a row, as frames and rows of {len(ratios)} videos say"


def _frames(records: Sequence[Record]) -> Mapping[str, str]:
    return {own_name(r.text("video") or ""): text for r in records if (text := r.text("frames"))}
