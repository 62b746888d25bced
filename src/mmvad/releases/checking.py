"""Holding a release or a bank against the official split, file by file. A fault does not stop it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

from mmvad.bank.bank import Bank, BankVideo, index_hash, is_bank, open_bank, verified_videos
from mmvad.benchmarks.benchmark import Benchmark, Split, Video
from mmvad.benchmarks.lists import read_videos
from mmvad.benchmarks.registry import benchmark
from mmvad.errors import UserError
from mmvad.releases.examining import count_findings, examine
from mmvad.releases.findings import Finding, counts_table, keep_full_list, listing
from mmvad.releases.layouts import LayoutName
from mmvad.releases.options import AudioPolicy
from mmvad.releases.planning import Plan, load_visual
from mmvad.system.progress import progress_bar

Show = Callable[[str], object]


def check(
    benchmark_name: str | Path,
    path: Path | str | None,
    *,
    lists: Path | str | None = None,
    audio: AudioPolicy | None = None,
    crops: Sequence[int] | None = None,
    subset: bool = False,
    visual_width: int | None = None,
    audio_width: int | None = None,
    layout: LayoutName | None = None,
    fold: str | None = None,
    full_list: Path | None = None,
    progress: bool = True,
    show: Show = print,
) -> list[Finding]:
    """What is wrong with the release or bank at `path`; each problem and a table of counts are shown.

    Every row of every file is read. A bank is compared with the lists only if they are named. With `subset` videos
    without a file and lists that are cut are no fault; a video that lacks some of its crops is, and so is one whose
    file lies elsewhere. `full_list` is written where more files share a problem than are shown. Raises UserError where
    there is nothing to check, for crops that are not there, and for what only a release can be asked of a bank.
    """
    spec = benchmark(benchmark_name, fold)
    path = Path(path) if path else spec.folder or Path()
    if is_bank(path):
        _refuse_release_options(path, crops=crops, audio=audio, layout=layout, visual_width=visual_width)
        bank, videos = open_bank(path), read_videos(spec, Path(lists)) if lists else None
        listed = _bank_counts(bank)
        found = [*_check_bank(spec, bank, videos, progress), *count_findings(spec, path, listed)]
    else:
        examined = examine(
            benchmark_name, path, lists=lists, audio=audio, crops=crops, visual_width=visual_width,
            audio_width=audio_width, layout=layout, fold=fold, progress=progress,
        )  # fmt: skip
        listed = examined.listed
        found = [*examined.plan.findings, *_not_finite(examined.plan, progress)]
    if subset:
        found = [finding for finding in found if finding.kind != "missing"]
    _show(found, listed, full_list, show)
    return found


def _refuse_release_options(bank: Path, **options: object) -> None:
    """A bank is checked whole: an option that would be passed over is an error."""
    for name, value in options.items():
        if value is not None:
            raise UserError(
                f"--{name.replace('_', '-')}",
                f"is for a release, and {bank} is a bank",
                expected="a bank's own crops, sound and widths, all of which are checked",
                fix="leave the option out",
            )


def _not_finite(plan: Plan, progress: bool) -> Iterator[Finding]:
    total = sum(header.share for _, headers in plan.readable for header in headers.values())
    with progress_bar("reading rows", total, in_bytes=True, show=progress) as advance:
        for video, headers in plan.readable:
            try:
                load_visual(headers)
            except UserError as error:
                yield Finding("not finite", video.split, video.name, error)
            advance(sum(header.share for header in headers.values()))


def _check_bank(
    spec: Benchmark, bank: Bank, videos: Mapping[Split, Sequence[Video]] | None, progress: bool
) -> Iterator[Finding]:
    if bank.benchmark != spec.name:
        raise UserError(bank.path, f"a bank of {bank.benchmark}", expected=f"a bank of {spec.name}")
    with progress_bar("reading rows", sum(_bank_counts(bank).values()), show=progress) as advance:
        for split, name, equal in verified_videos(bank):
            if not equal:
                error = UserError(bank.path, "the rows are not what was written", fix="import the release again")
                yield Finding("changed", split, name, error)
            advance(1)
    if index_hash(bank) != bank.content_hash:
        yield Finding("changed", "", "", UserError(bank.path, "names, labels or annotations are not what was written"))
    if videos is not None:
        for split in get_args(Split):
            yield from _compare(bank, split, videos[split])


def _compare(bank: Bank, split: Split, videos: Sequence[Video]) -> Iterator[Finding]:
    in_bank = {video.name: video for video in bank.split(split).videos}
    for video in videos:
        if video.name not in in_bank:
            yield Finding("missing", split, video.name, UserError(bank.path, "listed, but not in the bank"))
        elif not _agrees(in_bank[video.name], video):
            problem = "labels or events differ from the lists and annotations"
            yield Finding("changed", split, video.name, UserError(bank.path, problem))
    for name in sorted(in_bank.keys() - {video.name for video in videos}):
        yield Finding("extra", split, name, UserError(bank.path, "in the bank, but not listed"))


def _agrees(in_bank: BankVideo, video: Video) -> bool:
    facts = ("labels", "events", "intervals", "annotators")
    return all(getattr(in_bank, fact) == getattr(video, fact) for fact in facts)


def _bank_counts(bank: Bank) -> dict[Split, int]:
    return {split: len(bank.split(split).videos) for split in get_args(Split)}


def _show(found: Sequence[Finding], listed: Mapping[Split, int], full_list: Path | None, show: Show) -> None:
    """Each problem in its lines, then a table: by split the listed videos and the findings of each kind."""
    for line in (*listing(found), *counts_table(found, listed)):
        show(line)
    if place := keep_full_list(full_list, found):
        show(place)
    show(f"{len(found)} finding{'s' if len(found) > 1 else ''}" if found else "nothing is wrong")
