"""What an audit found, in lines, and as a table of all videos."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from mmvad.evaluation.arrays import names_in_words
from mmvad.evaluation.audit import LAST_FRAME_BELONGS, READINGS, Audit, Stretch, VideoAudit
from mmvad.evaluation.known_truths import recognised
from mmvad.evaluation.truth import Truth
from mmvad.system.disk import write_whole

SHOWN = 20
"""Videos that differ, as many as are listed."""
_OURS = next(iter(READINGS))


def audit_lines(found: Audit, truth: Truth) -> Iterator[str]:
    """What has to be said of the array: how long it is, whose it may be, and how it differs from the annotations."""
    yield f"{found.frames:,} frames, {found.abnormal:,} of them abnormal"
    known = recognised(truth.benchmark.name, found.frames)
    if known:
        yield f"known: as many frames as {known}"
    yield f"lengths: {found.lengths or 'by no rule that is known here, or the lengths are not known'}"
    if found.order:
        yield f"order of videos: {found.order}"
    yield from _absent(found)
    different = [video for video in found.videos if not video.equal]
    if not different:
        yield f"equal to {truth.source} in {len(found.videos)} of {len(truth.videos)} videos"
        return
    share = 100 * found.differing / max(found.frames, 1)
    frames = f"{found.differing:,} frames ({share:.3f} %)"
    yield f"differs from {truth.source} in {len(different)} of {len(found.videos)} videos, {frames}"
    if found.reading != _OURS:
        rest = "no frame differs" if not found.least else f"{found.least:,} frames differ"
        yield f"explained: read so that {found.reading}, {rest} (here {_OURS})"
        if truth.benchmark.own and found.reading == LAST_FRAME_BELONGS:
            yield "if they are meant so, say it in the benchmark's file: events: {file: ..., end: inclusive}"
    different.sort(key=lambda video: -video.differing)
    yield from (f"  {_line(video)}" for video in different[:SHOWN])
    if len(different) > SHOWN:
        yield f"  and {len(different) - SHOWN} videos more: --out CSV has them all"


def audit_table(found: Audit) -> str:
    """A CSV with a line a video: frames, frames by the rule of lengths, how many differ, and where."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["video", "frames", "frames by rule", "differing", "where"])
    for video in found.videos:
        where = "; ".join(map(_stretch, video.stretches))
        writer.writerow([video.name, video.frames, video.expected, video.differing, where])
    return text.getvalue()


def write_audit(found: Audit, path: Path) -> None:
    """Writes the table."""
    write_whole(path, audit_table(found).encode())


def _absent(found: Audit) -> Iterator[str]:
    if found.missing and found.order:
        yield f"one test video is missing; by its length {found.missing[0]}, or another that is as long"
    elif found.missing:
        yield f"{len(found.missing)} test videos are missing: {names_in_words(found.missing)}"
    if found.unknown:
        yield f"{len(found.unknown)} videos are not in the test split: {names_in_words(found.unknown)}"


def _line(video: VideoAudit) -> str:
    length = f"{video.frames} frames"
    if video.expected not in {None, video.frames}:
        length += f", by the rule {video.expected}"
    more = f", and {len(video.stretches) - 3} stretches more" if len(video.stretches) > 3 else ""
    where = ", ".join(map(_stretch, video.stretches[:3])) + more
    return f"{video.name}: {length}; {video.differing} differ" + (f": {where}" if where else "")


def _stretch(stretch: Stretch) -> str:
    return f"{stretch.start}-{stretch.end} abnormal {'in the array alone' if stretch.in_array else 'here alone'}"
