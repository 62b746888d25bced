"""Holding a release against the official split: which files make which video, and what is wrong with them.

Headers are read, rows are not. `mmvad data import` follows the plan, `mmvad data check` prints its findings.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from mmvad.bank.index import FORMAT
from mmvad.benchmarks.benchmark import Split, Video
from mmvad.errors import UserError
from mmvad.releases.arrays.axes import ROWS
from mmvad.releases.arrays.reading import ArrayHeader, load_crops, read_header
from mmvad.releases.find import Release
from mmvad.releases.joining import check_audio_length, check_crop_lengths
from mmvad.releases.layouts import STACKED_CROPS

AudioPolicy = Literal["required", "optional", "none"]
Kind = Literal["missing", "incomplete", "no audio", "extra", "bad file", "length", "dtype", "not finite", "changed"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a video's files. `split` is empty for a file of no split."""

    kind: Kind
    split: Split | Literal[""]
    video: str
    error: UserError

    @property
    def detail(self) -> str:
        return " ".join(line.strip() for line in str(self.error).splitlines())


@dataclass(frozen=True)
class Options:
    """What to take of a release: widths of the rows, the crops (all if None), and what to do about sound.

    The visual width is the layout's if None, or the first file's where releases of the layout differ.
    """

    visual_width: int | None = None
    audio_width: int | None = 128
    crops: tuple[int, ...] | None = None
    audio: AudioPolicy = "required"


@dataclass(frozen=True)
class Entry:
    """One video that can be imported, with the headers of its files."""

    video: Video
    visual: dict[int, ArrayHeader]
    audio: ArrayHeader | None

    @property
    def files(self) -> list[ArrayHeader]:
        """The header of each crop, then that of the sound; a file of several crops comes once a crop."""
        return [*self.visual.values(), *([self.audio] if self.audio else [])]


def load_visual(headers: Mapping[int, ArrayHeader]) -> dict[int, np.ndarray]:
    """The rows [n, d] of each crop; every file is opened once. Raises UserError for rows that are not finite."""
    files: dict[ArrayHeader, list[int]] = {}
    for crop, header in headers.items():
        files.setdefault(header, []).append(crop)
    rows: dict[int, np.ndarray] = {}
    for header, crops in files.items():
        inside = crops if header.crops else [0]
        rows.update(zip(crops, load_crops(header, inside).values()))
    return rows


@dataclass
class Plan:
    """What an import would take, sorted by split and name, and what is wrong.

    Attributes:
        readable: the files whose header can be read, by crop, also of videos with another one that cannot.
        crops: by split, the crops that a whole video has.
    """

    release: Release
    entries: list[Entry] = field(default_factory=list)
    readable: list[tuple[Video, dict[int, ArrayHeader]]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    crops: dict[Split, tuple[int, ...]] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(file.share for entry in self.entries for file in entry.files)

    def fingerprint(self, dtype: str | None) -> str:
        """What names this import: files by place below the root, size and time of change; labels, events and dtype."""
        entries = [
            [repr(entry.video)]
            + [[os.path.relpath(f.path, self.release.root), f.share, f.modified_ns] for f in entry.files]
            for entry in self.entries
        ]
        scale = [] if self.release.normalise == "none" else [self.release.normalise]
        content = json.dumps([FORMAT, self.release.benchmark.name, dtype, entries, *scale])
        return hashlib.sha256(content.encode(errors="surrogateescape")).hexdigest()


def plan_import(
    release: Release, videos: Mapping[Split, Sequence[Video]], options: Options, advance: Callable[[int], object]
) -> Plan:
    """The plan for the listed videos; `advance(1)` is called for each. Findings are collected, not raised.

    Raises UserError for a crop that no file of the release has, and for a split that has none of the crops.
    """
    _require_crops(release, options.crops or ())
    plan = Plan(release)
    for split in get_args(Split):
        names = {video.name for video in videos[split]}
        wanted = _wanted_crops(release, split, names, options.crops)
        plan.crops[split] = wanted
        for video in sorted(videos[split], key=lambda video: video.name):
            entry = _plan_video(plan, video, wanted, options)
            plan.entries += [entry] if entry else []
            advance(1)
    _find_extra(plan, videos, options)
    _find_mixed_dtypes(plan)
    return plan


def _require_crops(release: Release, crops: Sequence[int]) -> None:
    there = {crop for videos in release.visual.values() for files in videos.values() for crop in files}
    if absent := set(crops) - there:
        raise _no_crop(release, "release", absent, there)


def _no_crop(release: Release, part: str, absent: set[int], there: set[int]) -> UserError:
    """The error of a part of the release (all of it, or a split) that has none of the `absent` crops."""
    missed, has = (", ".join(map(str, sorted(crops))) for crops in (absent, there))
    return UserError("--crops", f"{release.root}: the {part} has no crop {missed}", expected=f"of {has}")


def _wanted_crops(release: Release, split: Split, names: set[str], crops: tuple[int, ...] | None) -> tuple[int, ...]:
    """The crops that a whole video of the split has; of test videos the tested crop is always among them."""
    found = {crop for name, files in release.visual[split].items() if name in names for crop in files}
    if crops is None:
        return tuple(sorted(found))
    wanted = set(crops) | ({release.benchmark.test_crop} if split == "test" else set())
    if found and not found & wanted:
        raise _no_crop(release, f"{split} split", wanted, found)
    return tuple(sorted(found & wanted))


def _plan_video(plan: Plan, video: Video, wanted: tuple[int, ...], options: Options) -> Entry | None:
    """The video's entry; None, and all that its headers say is wrong, where its files cannot be imported."""
    release, note = plan.release, _Notes(plan.findings, video)
    files = release.visual[video.split].get(video.name, {})
    lacking = [crop for crop in wanted if crop not in files]
    first = (wanted or (release.benchmark.test_crop,))[0]
    if len(lacking) == len(wanted):
        file = release.visual_place(video.split, video.name, first)
        note("missing", UserError(file, "there is no such file", expected=f"a feature file of {video.name}"))
        return None
    if lacking:
        file = release.visual_place(video.split, video.name, lacking[0])
        crops = f"crops {', '.join(map(str, wanted))}, as other videos have"
        note("incomplete", UserError(file, f"there is no such file, crops {lacking} are missing", expected=crops))
    before = len(plan.findings)
    visual = _visual_headers(plan, {crop: files[crop] for crop in wanted if crop in files}, options, note)
    audio = _audio_header(release, video, options, note)
    _note_lengths(visual, audio, note)
    _note_frames(video, visual, note)
    plan.readable += [(video, part) for part in ([visual] if visual else []) + ([{0: audio}] if audio else [])]
    untestable = video.split == "test" and release.benchmark.test_crop in lacking
    return None if untestable or len(plan.findings) > before else Entry(video, visual, audio)


def _visual_headers(plan: Plan, files: Mapping[int, Path], options: Options, note: _Notes) -> dict[int, ArrayHeader]:
    """The headers that can be read, by crop; a file that holds several crops is noted once."""
    layout, headers, bad = plan.release.layout, {}, set()
    first = plan.entries[0].files[0].width if plan.entries else None
    width = options.visual_width or layout.width or first
    for crop, path in files.items():
        if path in bad:
            continue
        try:
            header = read_header(path, array=layout.array, axes=layout.axes)
            _check_width(header, width)
            _check_crops(header, crop)
            headers[crop] = header
        except UserError as error:
            note("bad file", error)
            bad.add(path)
    return headers


def _check_width(header: ArrayHeader, width: int | None) -> None:
    if width is not None and header.width != width:
        raise UserError(header.path, f"{header.width} columns", expected=f"{width} columns")


def _check_crops(header: ArrayHeader, crop: int) -> None:
    if header.crops is not None and crop >= header.crops:
        expected = f"{STACKED_CROPS} crops: rows, crops, columns"
        raise UserError(header.path, f"{header}; {header.crops} crops", expected=expected)


def _audio_header(release: Release, video: Video, options: Options, note: _Notes) -> ArrayHeader | None:
    path = release.audio[video.split].get(video.name)
    if options.audio == "none" or (path is None and options.audio == "optional"):
        return None
    if path is None:
        file = release.audio_place(video.split, video.name)
        fix = "fetch the file, or import with --audio optional (a video may be silent) or --audio none"
        note("no audio", UserError(file, "there is no such file", expected=f"the sound of {video.name}", fix=fix))
        return None
    try:
        header = read_header(path, axes=ROWS)
        _check_width(header, options.audio_width)
        return header
    except UserError as error:
        note("bad file", error)
        return None


def _note_lengths(visual: Mapping[int, ArrayHeader], audio: ArrayHeader | None, note: _Notes) -> None:
    """Notes files of one video that are not equally long; all are held against the first crop that can be read."""
    if not visual:
        return
    first, *others = visual.values()
    for checked, header in [(check_crop_lengths, other) for other in others] + (
        [(check_audio_length, audio)] if audio else []
    ):
        try:
            checked(header.rows, first.rows, header.path, first.path)
        except UserError as error:
            note("length", error)


def _note_frames(video: Video, visual: Mapping[int, ArrayHeader], note: _Notes) -> None:
    """Notes rows that cannot stand for the video's frames."""
    first = next(iter(visual.values()), None)
    try:
        if first:
            video.timing.check(first.rows, first.path)
    except UserError as error:
        note("length", error)


@dataclass(frozen=True)
class _Notes:
    """Notes what is wrong with a video."""

    findings: list[Finding]
    video: Video

    def __call__(self, kind: Kind, error: UserError) -> None:
        self.findings.append(Finding(kind, self.video.split, self.video.name, error))


def _find_extra(plan: Plan, videos: Mapping[Split, Sequence[Video]], options: Options) -> None:
    """Files of no listed video. A file that no split names is one finding, also where the splits share a folder."""
    release = plan.release
    shared = release.visual["train"] is release.visual["test"]
    listed = {split: {video.name for video in videos[split]} for split in get_args(Split)}
    both = listed["train"] | listed["test"]
    stray = [(path, "", path.stem) for path in release.unnamed]
    for split in get_args(Split)[:1] if shared else get_args(Split):
        names = both if shared else listed[split]
        where = "" if shared else split
        stray += [
            (path, where, name)
            for name, crops in release.visual[split].items()
            if name not in names
            for path in dict.fromkeys(crops.values())
        ]
    for split in get_args(Split) if options.audio != "none" else ():
        stray += [(path, split, name) for name, path in release.audio[split].items() if name not in listed[split]]
    for path, where, name in stray:
        error = UserError(path, "belongs to no listed video")
        plan.findings.append(Finding("extra", where, name, error))  # type: ignore[arg-type]


def _find_mixed_dtypes(plan: Plan) -> None:
    """A bank has one dtype a modality."""
    for modality in ("visual", "audio"):
        known: ArrayHeader | None = None
        for entry in plan.entries:
            headers = list(entry.visual.values()) if modality == "visual" else [h for h in [entry.audio] if h]
            known = known or next(iter(headers), None)
            for header in headers:
                if known and header.dtype != known.dtype:
                    _note_dtype(plan, entry, header, known)
                    break


def _note_dtype(plan: Plan, entry: Entry, header: ArrayHeader, known: ArrayHeader) -> None:
    error = UserError(
        header.path, f"dtype {header.dtype}, but {known.path} has {known.dtype}", expected="one dtype",
        fix="say which one the bank shall have, such as --dtype float32",
    )  # fmt: skip
    plan.findings.append(Finding("dtype", entry.video.split, entry.video.name, error))
