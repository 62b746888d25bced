"""`mmvad data new`: looks at a folder of features and tables and writes a first benchmark's file, to be filled in."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from yaml import YAMLError

from mmvad.benchmarks.definition import Table
from mmvad.benchmarks.own_fields import own_name
from mmvad.benchmarks.records import Record, nested, read_records
from mmvad.benchmarks.registry import BENCHMARKS
from mmvad.benchmarks.timeline import SNIPPET_FRAMES
from mmvad.errors import UserError
from mmvad.releases.arrays.reading import FORMATS, ArrayHeader, read_header
from mmvad.system.disk import write_whole
from mmvad.system.plain_yaml import parse_yaml

_TABLES = (".csv", ".tsv", ".json", ".jsonl")
_SOUND = re.compile(r"audio|sound|vggish|yamnet", re.I)
_NORMAL = re.compile(r"(training_|testing_)?normal|no(ne|anomaly|fight)?$|background|0$|a$", re.I)
_CROP = re.compile(r"__\d+$")
_SOUND_FILE = re.compile(r"__vggish$", re.I)
"""How files of sound end that `mmvad extract` and XD-Violence's release write."""
_NUMBERED = re.compile(r"(?P<before>.*?)(?P<number>\d+)")
_SAMPLE = 20
_USUAL_ROWS = (1, 2, 4, 8, 10, 12, 15, 16, 24, 25, 30, 32, 64)
FEATURES = "features.json"
"""What `mmvad extract` leaves beside its features."""
TODO = "TODO"
FPS_LINE = f"frames_per_second: 30       # {TODO}: of the videos"


@dataclass
class Seen:
    """What a folder holds.

    Attributes:
        files: of features, by the pattern that they follow.
        tables: with their records, as far as they name videos.
        refused: what is wrong with the tables whose columns have other names than are known.
        extraction: what the `features.json` of an extraction says of the picture; empty without one.
    """

    files: dict[str, list[Path]] = field(default_factory=dict)
    tables: dict[Path, list[Record]] = field(default_factory=dict)
    refused: list[UserError] = field(default_factory=list)
    extraction: Mapping[str, Any] = field(default_factory=dict)

    @property
    def visual(self) -> str:
        """The pattern with the most files that does not look like sound."""
        return max(self._of(sound=False), key=lambda pattern: len(self.files[pattern]), default="")

    @property
    def audio(self) -> str:
        return max(self._of(sound=True), key=lambda pattern: len(self.files[pattern]), default="")

    @property
    def events(self) -> Path | None:
        """The table that says where events are."""
        return self.with_field("start") or self.with_field("events")

    def _of(self, *, sound: bool) -> list[str]:
        return [pattern for pattern in self.files if bool(_SOUND.search(pattern)) is sound]

    def with_field(self, name: str) -> Path | None:
        """The table that has the field in most of its records."""
        counts = {path: sum(name in r.fields for r in records) for path, records in self.tables.items()}
        best = max(counts, key=lambda path: counts[path], default=None)
        return best if best is not None and counts[best] else None

    def without(self, folder: Path, names: Collection[str]) -> Seen:
        """What of it lies elsewhere than in these folders of the folder."""
        files = {pattern: files for pattern, files in self.files.items() if pattern.split("/")[0] not in names}
        tables = {path: found for path, found in self.tables.items() if path.relative_to(folder).parts[0] not in names}
        return replace(self, files=files, tables=tables)


def look(folder: Path) -> Seen:
    """What lies in the folder. Raises UserError where it holds no features."""
    if not folder.is_dir():
        raise UserError(folder, "no such folder", expected="a folder with files of features")
    seen = Seen()
    for here, folders, names in os.walk(folder):
        folders.sort()
        for path in (Path(here) / name for name in sorted(names) if not name.startswith(".")):
            if path.name == FEATURES:
                seen.extraction = _extraction(path)
            elif path.suffix.lower() in _TABLES:
                _take_table(seen, path)
            elif path.suffix.lower() in FORMATS:
                seen.files.setdefault(_pattern(folder, path), []).append(path)
    seen.files = {pattern: files for pattern, files in seen.files.items() if any(map(_is_features, files[:_SAMPLE]))}
    check_features(folder, seen)
    return seen


def _extraction(path: Path) -> Mapping[str, Any]:
    with suppress(ValueError, OSError):
        said = json.loads(path.read_text()).get("visual")
        return said if isinstance(said, dict) else {}
    return {}


def check_features(folder: Path, seen: Seen) -> None:
    """Raises UserError where no features were seen."""
    if not seen.files:
        known = ", ".join(FORMATS)
        fix = "make features of videos first: mmvad extract VIDEOS --out DIR"
        raise UserError(folder, "holds no features", expected=f"files of arrays ({known})", fix=fix)


def write_first_file(folder: Path) -> tuple[list[Path], list[UserError]]:
    """Writes `FOLDER.yaml` into the folder, and `videos.csv` where no table names the videos.

    Gives the files, and what is wrong with the tables that were not read. Raises UserError where a file is there
    already, and where there are no features.
    """
    seen = look(folder)
    before, folds = _folds(folder, seen)
    if folds:
        seen = seen.without(folder, [f"{before}{fold}" for fold in folds[1:]])
    file = folder / f"{folder.resolve().name}.yaml"
    listed, new = seen.with_field("class"), []
    if file.exists():
        raise UserError(file, "is there already", fix="remove it, or write on in it")
    if listed is None:
        listed = folder / "videos.csv"
        if listed.exists():
            raise UserError(listed, "is there already and names no videos", expected="the column video")
        write_whole(listed, video_table(seen))
        new.append(listed)
    text = _definition(folder, seen, listed)
    if folds:
        text = text.replace(f"{before}{folds[0]}/", f"{before}{{fold}}/").replace(
            "classes:", f"folds: [{', '.join(folds)}]\nclasses:", 1
        )
    write_whole(file, text.encode())
    return [file, *new], seen.refused


def _take_table(seen: Seen, path: Path) -> None:
    try:
        seen.tables[path] = read_records(Table(file=path.name), path)
    except UserError as error:
        if "has no column" in error.problem:  # else it is no table of videos, such as the settings of an extraction
            seen.refused.append(error)


def _folds(folder: Path, seen: Seen) -> tuple[str, list[str]]:
    """The splits of one benchmark: numbers of folders that are named alike and hold the same tables of videos."""
    held: dict[tuple[str, str], set[str]] = {}
    for path, records in seen.tables.items():
        top, *rest = path.relative_to(folder).parts
        match = _NUMBERED.fullmatch(top)
        if match and rest and any("class" in record.fields for record in records):
            held.setdefault((match["before"], match["number"]), set()).add("/".join(rest))
    for (before, _), tables in held.items():
        numbers = [number for (start, number), others in held.items() if (start, others) == (before, tables)]
        if len(numbers) > 1:
            return before, sorted(numbers, key=int)
    return "", []


def _pattern(folder: Path, path: Path) -> str:
    """The file's place with {video} and {crop}; a folder between stands for itself, unless it names a class."""
    place = path.relative_to(folder)
    sound = _SOUND_FILE.search(path.stem)
    stem = "{video}__{crop}" if _CROP.search(path.stem) else f"{{video}}{sound.group() if sound else ''}"
    video = _SOUND_FILE.sub("", _CROP.sub("", path.stem))
    alike = [p for p in place.parts[:-1] if p.lower() not in video.lower()]
    middle = "/".join(part if part in alike else "*" for part in place.parts[:-1])
    return f"{middle}/{stem}{path.suffix}".lstrip("/")


def _is_features(path: Path) -> bool:
    """Whether it holds rows of several columns: one number a row or frame is a mask or a score."""
    header = _header(path)
    return header is not None and len(header.shape) in (2, 3) and header.shape[-1] > 1


def _header(path: Path) -> ArrayHeader | None:
    try:
        return read_header(path, told=False)
    except UserError:
        return None


def names_of(seen: Seen) -> list[str]:
    return sorted({_CROP.sub("", own_name(path.name)) for path in seen.files[seen.visual]})


def video_table(seen: Seen, asked: Sequence[str] = ("split", "class")) -> bytes:
    """Every video that has features; what no table says of the columns that are asked for is to be filled in.

    Split, frames and frames a second are taken from a table that says them.
    """
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    told = {own_name(r.text("video") or ""): r for records in seen.tables.values() for r in records}
    known = [name for name in ("frames", "fps") if any(name in record.fields for record in told.values())]
    columns = list(dict.fromkeys((*asked, *known)))
    table.writerow(["video", *columns])
    for name in names_of(seen):
        texts = {key: told[name].text(key) for key in columns} if name in told else {}
        table.writerow([name, *(texts.get(key) or (TODO if key in asked else "") for key in columns)])
    return out.getvalue().encode()


def _definition(folder: Path, seen: Seen, listed: Path) -> str:
    records = seen.tables.get(listed, [])
    headers = [h for path in seen.files[seen.visual][:_SAMPLE] if (h := _header(path))]
    width = headers[0].shape[-1] if headers else 0
    events = seen.events
    names = {own_name(name) for record in records if (name := record.text("video"))} or set(names_of(seen))
    lines = [
        f"# Written by `mmvad data new`: look at the lines with {TODO}. docs/OWN_DATA.md says what each key is.",
        f"# {len(names_of(seen))} videos with features of {width} columns.",
        *_name(folder.resolve().name),
        f"title: {_yaml(folder.resolve().name)}",
        "classes:                    # key: prompt; the normal class first",
        *_classes(records, _with_events(seen, events)),
        "headline: ap                # or auc",
        FPS_LINE,
        row_line(seen, records, names),
        audio_line(seen),
        videos_line(folder, listed, records),
        f"events: {_events(_yaml(events.relative_to(folder).as_posix()), seen.tables[events])}"
        if events
        else f"# events: events.csv      # {TODO}: video,class,start,end",
        *features_lines(seen, names),
    ]
    return "\n".join(lines) + "\n"


def audio_line(seen: Seen) -> str:
    return f"audio: {'optional' if seen.audio else 'none'}"


def videos_line(folder: Path, listed: Path, records: Sequence[Record]) -> str:
    """The line that names the table of videos."""
    place = _yaml(listed.relative_to(folder).as_posix())
    has_split = any("split" in record.fields for record in records) or not records
    return f"videos: {place}" if has_split else f"videos: {{file: {place}, split: train}}   # {TODO}: which split?"


def features_lines(seen: Seen, names: Collection[str]) -> list[str]:
    """The lines of the features; patterns say what stands behind the listed names, such as {video}_i3d.npy."""
    network, unknown = (
        seen.extraction.get("network"),
        f"  name: own                 # {TODO}: what the picture was read with",
    )
    return [
        "features:",
        f"  name: {_yaml(str(network))}" if network else unknown,
        f"  visual: {_quoted(_with_tail(seen, seen.visual, names))}",
        *([f"  audio: {_quoted(_with_tail(seen, seen.audio, names))}"] if seen.audio else []),
    ]


def _with_tail(seen: Seen, pattern: str, names: Collection[str]) -> str:
    stems = [_CROP.sub("", own_name(path.name)) for path in seen.files[pattern]]
    tails = {stem.removeprefix(name) for stem in stems if (name := _listed(stem, names))}
    tail = tails.pop() if len(tails) == 1 else ""
    return pattern if "{video}" + tail in pattern else pattern.replace("{video}", "{video}" + tail)


def _listed(stem: str, names: Collection[str]) -> str:
    """The listed name with which a file's begins, the longest; "" if there is none."""
    return stem if stem in names else max((name for name in names if stem.startswith(name)), key=len, default="")


def _events(place: str, records: Sequence[Record]) -> str:
    """The table of events as the file names it: with `unit: seconds` where a time is no whole frame."""
    table = Table(file=place)
    events = [event for record in records for event in (record, *nested(table, record))]
    times = [text for event in events for name in ("start", "end") if (text := event.text(name))]
    if all(re.fullmatch(r"\d+(\.0*)?", time) for time in times):
        return place
    return f"{{file: {place}, unit: seconds}}"


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
    return _quoted(text)


def _quoted(text: str) -> str:
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
    quoted = {_quoted(key): _yaml(prompt) for key, prompt in prompts.items()}
    return [f"  {key}: {prompt} {note if i == 0 else ''}".rstrip() for i, (key, prompt) in enumerate(quoted.items())]


def row_line(seen: Seen, records: Sequence[Record], names: Collection[str]) -> str:
    """The line of what a row stands for, as far as rows and frames tell."""
    headers = [h for path in seen.files[seen.visual][:_SAMPLE] if (h := _header(path))]
    rows = {_listed(own_name(h.path.name), names): h.shape[-2] for h in headers if len(h.shape) == 2}
    if len(rows) > 2 and len(set(rows.values())) == 1:
        count = next(iter(rows.values()))
        return f"row: {f'{{video: {count}}}':<23}# every file has {count} rows"
    if isinstance(said := seen.extraction.get("snippet_frames"), int):
        return f"row: {said:<23}# frames of a row, as {FEATURES} says"
    lengths = [(rows[name], float(frames)) for name, frames in _frames(records).items() if name in rows]
    if not lengths:
        return f"row: {16:<23}# {TODO}: frames of a row; {{seconds: 1}} or {{video: 32}} may be said too"
    middle = sorted(frames / count for count, frames in lengths)[len(lengths) // 2]
    fitting = [row for row in _USUAL_ROWS if all(abs(count - frames / row) <= 1 for count, frames in lengths)]
    found = min(fitting, key=lambda row: (row != SNIPPET_FRAMES, abs(row - middle)), default=round(middle) or 1)
    others = " or ".join(str(row) for row in fitting if row != found)
    if others:
        return (
            f"row: {found:<23}# {TODO}: frames of a row; by rows and frames of {len(lengths)} videos it may be {others}"
        )
    return f"row: {found:<23}# frames of a row, as frames and rows of {len(lengths)} videos say"


def _frames(records: Sequence[Record]) -> Mapping[str, str]:
    return {own_name(r.text("video") or ""): text for r in records if (text := r.text("frames"))}
