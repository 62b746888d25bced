"""Holding a release against the official split: which files make which video, and what is wrong with them.

Headers are read, rows are not. `mmvad data import` follows the plan, `mmvad data check` prints its findings.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import numpy as np

from mmvad.bank.index import FORMAT
from mmvad.benchmarks.benchmark import Split, Video
from mmvad.errors import UserError
from mmvad.releases.arrays.reading import ArrayHeader, load_crops
from mmvad.releases.consensus import usual_crops
from mmvad.releases.drafts import Draft, judge_lengths, judge_widths, odd_dtypes, read_draft
from mmvad.releases.find import Release
from mmvad.releases.findings import PARTIAL, Finding
from mmvad.releases.near import Nearby
from mmvad.releases.options import Options


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
    drafts: list[Draft] = []
    nearby = Nearby(release.root, _listed_files(release, videos))
    for split in get_args(Split):
        names = {video.name for video in videos[split]}
        plan.crops[split] = wanted = _wanted_crops(release, split, names, options.crops)
        for video in sorted(videos[split], key=lambda video: video.name):
            drafts.append(read_draft(release, video, wanted, options, nearby))
            advance(1)
    judge_widths(drafts, release.layout.width, options)
    for draft in drafts:
        judge_lengths(draft)
        plan.findings += draft.findings
        plan.readable += draft.readable
        plan.entries += [Entry(draft.video, draft.visual, draft.audio)] if draft.is_whole else []
    plan.findings += [*odd_dtypes(drafts), *_duplicates(release), *_extra(release, videos, options, nearby.found)]
    plan.findings += list(_empty_splits(plan, videos))
    return plan


def _listed_files(release: Release, videos: Mapping[Split, Sequence[Video]]) -> set[Path]:
    """The files of listed videos, visual and sound."""
    files: set[Path] = set()
    for split in get_args(Split):
        for video in videos[split]:
            files.update(release.visual[split].get(video.name, {}).values())
            files.update(path for path in [release.audio[split].get(video.name)] if path)
    return files


def _require_crops(release: Release, crops: Sequence[int]) -> None:
    there = {crop for videos in release.visual.values() for files in videos.values() for crop in files}
    if absent := set(crops) - there:
        raise _no_crop(release, "release", absent, there)


def _no_crop(release: Release, part: str, absent: set[int], there: set[int]) -> UserError:
    """The error of a part of the release (all of it, or a split) that has none of the `absent` crops."""
    missed, has = (", ".join(map(str, sorted(crops))) for crops in (absent, there))
    return UserError("--crops", f"{release.root}: the {part} has no crop {missed}", expected=f"of {has}")


def _wanted_crops(release: Release, split: Split, names: set[str], crops: tuple[int, ...] | None) -> tuple[int, ...]:
    """The crops that a whole video of the split has: those that are asked for, or that most videos have.

    Of test videos the tested crop is always among them.
    """
    videos = [files for name, files in release.visual[split].items() if name in names]
    found = {crop for files in videos for crop in files}
    tested = {release.benchmark.test_crop} if split == "test" else set()
    wanted = (usual_crops(videos) if crops is None else set(crops)) | tested
    if found and not found & wanted:
        raise _no_crop(release, f"{split} split", wanted, found)
    return tuple(sorted(found & wanted))


def _duplicates(release: Release) -> Iterator[Finding]:
    for path, other in release.duplicates:
        error = UserError(
            path, "a second file of one crop", expected=f"one file a crop: the other is {other}",
            fix="take one of the two away",
        )  # fmt: skip
        yield Finding("bad file", "", path.stem, error)


def _extra(
    release: Release, videos: Mapping[Split, Sequence[Video]], options: Options, known: set[Path]
) -> Iterator[Finding]:
    """Files of no listed video. A file that no split names is one finding, also where the splits share a folder."""
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
        if path not in known:  # which a missing file's finding names
            error = UserError(path, "belongs to no listed video")
            yield Finding("extra", where, name, error)  # type: ignore[arg-type]


def _empty_splits(plan: Plan, videos: Mapping[Split, Sequence[Video]]) -> Iterator[Finding]:
    """A split of which nothing can be imported, where no other finding forbids it: with --subset too much is gone."""
    for split in get_args(Split):
        if split == "train" and plan.release.benchmark.own and not videos[split] and plan.entries:
            continue  # a bank of test videos alone
        own = [finding for finding in plan.findings if finding.split == split]
        if any(entry.video.split == split for entry in plan.entries) or any(
            f.kind not in {*PARTIAL, "extra"} for f in own
        ):
            continue
        problem = f"no {split} video can be imported"
        fix = "bring in files of listed videos, or name the lists of those that are there with --lists DIR"
        error = UserError(plan.release.root, problem, expected="at least one video in each split", fix=fix)
        yield Finding("empty", split, "", error)
