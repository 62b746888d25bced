"""The files of one listed video: their headers, and what is wrong with them, alone and beside the other videos'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mmvad.benchmarks.benchmark import Video
from mmvad.errors import UserError
from mmvad.releases.arrays.axes import ROWS
from mmvad.releases.arrays.reading import ArrayHeader, read_header
from mmvad.releases.consensus import prevailing
from mmvad.releases.find import Release
from mmvad.releases.findings import Finding, Kind
from mmvad.releases.joining import check_audio_length, check_crop_lengths
from mmvad.releases.layouts import Layout
from mmvad.releases.near import Nearby
from mmvad.releases.options import Options


@dataclass
class Draft:
    """A listed video: what its headers say, and what is wrong.

    Attributes:
        visual: the headers that can be used, by crop.
        lost: whether a file that it needs is not there.
    """

    video: Video
    visual: dict[int, ArrayHeader] = field(default_factory=dict)
    audio: ArrayHeader | None = None
    findings: list[Finding] = field(default_factory=list)
    lost: bool = False

    def note(self, kind: Kind, error: UserError) -> None:
        self.findings.append(Finding(kind, self.video.split, self.video.name, error))

    @property
    def is_whole(self) -> bool:
        """Whether it can be imported; a video that lacks some of its crops can."""
        return not self.lost and all(finding.kind in ("incomplete", "misplaced", "extra") for finding in self.findings)

    @property
    def readable(self) -> list[tuple[Video, dict[int, ArrayHeader]]]:
        """The files whose rows can be read, each with its crops."""
        files: dict[ArrayHeader, dict[int, ArrayHeader]] = {}
        for crop, header in self.visual.items():
            files.setdefault(header, {})[crop] = header
        sound = [{0: self.audio}] if self.audio else []
        return [(self.video, crops) for crops in (*files.values(), *sound)]


def read_draft(release: Release, video: Video, wanted: Sequence[int], options: Options, nearby: Nearby) -> Draft:
    """The video's draft: headers are read, and missing files are noted with what lies near."""
    draft = Draft(video)
    files = release.visual[video.split].get(video.name, {})
    lacking = [crop for crop in wanted if crop not in files]
    if len(lacking) == len(wanted):
        draft.lost = True
        _note_missing(draft, release, (wanted or (release.benchmark.test_crop,))[0], nearby)
        return draft
    draft.lost = video.split == "test" and release.benchmark.test_crop in lacking
    _note_lacking(draft, release, lacking, wanted, nearby)
    _note_unusual(draft, {crop: path for crop, path in files.items() if crop not in wanted}, options)
    _read_visual(draft, {crop: files[crop] for crop in wanted if crop in files}, release.layout)
    _read_audio(draft, release, options, nearby)
    return draft


def _note_missing(draft: Draft, release: Release, crop: int, nearby: Nearby) -> None:
    video = draft.video
    error, is_near = nearby.missing(release.visual_place(video.split, video.name, crop), video.name)
    draft.note("misplaced" if is_near else "missing", error)


def _note_lacking(
    draft: Draft, release: Release, lacking: Sequence[int], wanted: Sequence[int], nearby: Nearby
) -> None:
    if not lacking:
        return
    place = release.visual_place(draft.video.split, draft.video.name, lacking[0])
    near, is_near = nearby.missing(place, draft.video.name)
    missing = f"crops {', '.join(map(str, lacking))} are missing"
    crops = f"crops {', '.join(map(str, wanted))}, as most videos have"
    error = UserError(place, f"{near.problem}; {missing}", expected=crops, nearest=near.nearest, fix=near.fix)
    draft.note("misplaced" if is_near else "incomplete", error)


def _note_unusual(draft: Draft, files: Mapping[int, Path], options: Options) -> None:
    """Crops that most videos lack are passed over, which is said; not where the crops to take were named."""
    for crop, path in files.items() if options.crops is None else ():
        fix = "name the crops to take, such as --crops 0,1"
        error = UserError(path, f"crop {crop}, which most videos lack, is passed over", fix=fix)
        draft.note("extra", error)


def _read_visual(draft: Draft, files: Mapping[int, Path], layout: Layout) -> None:
    """A file that holds several crops is read, and noted, once."""
    headers: dict[Path, ArrayHeader | None] = {}
    for crop, path in files.items():
        if path not in headers:
            headers[path] = _header(draft, partial(_visual_header, layout, path))
        header = headers[path]
        if header is not None:
            draft.visual[crop] = header


def _visual_header(layout: Layout, path: Path) -> ArrayHeader:
    return _stacked(layout, read_header(path, array=layout.array, axes=layout.axes))


def _stacked(layout: Layout, header: ArrayHeader) -> ArrayHeader:
    """The header itself. Raises UserError for a file with another number of crops than files of its layout have."""
    if header.crops is not None and header.crops != layout.crops:
        problem, expected = f"{header}; {header.crops} crops", f"{layout.crops} crops, as such files have"
        raise UserError(header.path, problem, expected=expected, fix="bring in this file anew, or leave the video out")
    return header


def _read_audio(draft: Draft, release: Release, options: Options, nearby: Nearby) -> None:
    video = draft.video
    path = release.audio[video.split].get(video.name)
    if options.audio == "none" or (path is None and options.audio == "optional"):
        return
    if path is None:
        near, is_near = nearby.missing(release.audio_place(video.split, video.name), video.name)
        other = "fetch the file, or import with --audio optional (a video may be silent) or --audio none"
        expected, fix = f"the sound of {video.name}", near.fix if is_near else other
        draft.note("no audio", UserError(near.where, near.problem, expected=expected, nearest=near.nearest, fix=fix))
        return
    draft.audio = _header(draft, lambda: read_header(path, axes=ROWS))


def _header(draft: Draft, read: Callable[[], ArrayHeader]) -> ArrayHeader | None:
    try:
        return read()
    except UserError as error:
        draft.note("bad file", error)
        return None


def judge_widths(drafts: Sequence[Draft], layout_width: int | None, options: Options) -> None:
    """Notes, and takes out, files whose width is not the one that was said, or that most files have."""
    most = prevailing(header.width for draft in drafts for header in draft.visual.values())
    wanted = options.visual_width or layout_width or most
    for draft in drafts:
        bad = {header for header in draft.visual.values() if header.width != wanted}
        for header in (header for header in dict.fromkeys(draft.visual.values()) if header in bad):
            draft.note("bad file", _width_error("picture", header, wanted, most, "--visual-width"))
        draft.visual = {crop: header for crop, header in draft.visual.items() if header not in bad}
    heard = [draft for draft in drafts if draft.audio]
    most = prevailing(draft.audio.width for draft in heard if draft.audio)
    wanted = options.audio_width or most
    for draft in heard:
        if draft.audio and draft.audio.width != wanted:
            draft.note("bad file", _width_error("sound", draft.audio, wanted, most, "--audio-width"))
            draft.audio = None


def _width_error(what: str, header: ArrayHeader, wanted: int | None, most: int | None, option: str) -> UserError:
    if most != wanted:
        fix = f"most files have {most} columns: say {option} {most}"
    elif header.rows == wanted:
        fix = "the array looks transposed: save it as rows, columns"
    else:
        fix = "the file is of other features than the others: bring in this one anew, or leave the video out"
    return UserError(header.path, f"{what} of {header.width} columns", expected=f"{wanted} columns", fix=fix)


def judge_lengths(draft: Draft) -> None:
    """Notes files of one video that are not equally long; they are held against the length that most crops have."""
    if not draft.visual:
        return
    rows = prevailing(header.rows for header in draft.visual.values())
    usual = next(header for header in draft.visual.values() if header.rows == rows)
    try:
        draft.video.timing.check(usual.rows, usual.path)
        _check_events(draft.video, usual)
    except UserError as error:
        draft.note("length", error)
    for header in draft.visual.values():
        _note_length(draft, check_crop_lengths, header, usual)
    if draft.audio:
        _note_length(draft, check_audio_length, draft.audio, usual)


def _check_events(video: Video, header: ArrayHeader) -> None:
    """Raises UserError where an event begins behind the last row: the rows stand for more frames than is said."""
    end = int(video.timing.borders(header.rows)[-1])
    late = [start for start, _ in video.intervals if start >= end]
    if late:
        raise UserError(
            header.path,
            f"{header.rows} rows end at frame {end}, but an event begins at frame {late[0]}",
            expected="rows up to the video's end",
            fix="extract the whole video, or say in a benchmark file what a row stands for (`row`)",
        )


def _note_length(draft: Draft, check: Callable[..., None], header: ArrayHeader, usual: ArrayHeader) -> None:
    try:
        check(header.rows, usual.rows, header.path, usual.path)
    except UserError as error:
        draft.note("length", error)


def odd_dtypes(drafts: Sequence[Draft]) -> Iterator[Finding]:
    """A finding for each video with files of another dtype than most: a bank has one a modality."""
    whole = [draft for draft in drafts if draft.is_whole]
    yield from _odd_dtypes([(draft, list(draft.visual.values())) for draft in whole])
    yield from _odd_dtypes([(draft, [draft.audio]) for draft in whole if draft.audio])


def _odd_dtypes(files: Sequence[tuple[Draft, Sequence[ArrayHeader]]]) -> Iterator[Finding]:
    counts = Counter(header.dtype for _, headers in files for header in headers)
    most = prevailing(counts.elements())
    for draft, headers in files:
        odd = next((header for header in headers if header.dtype != most), None)
        if odd is not None:
            problem = f"dtype {odd.dtype}, but {counts[most or '']} of {counts.total()} files have {most}"
            fix = f"say which one the bank shall have, such as --dtype {most}"
            error = UserError(odd.path, problem, expected="one dtype", fix=fix)
            yield Finding("dtype", draft.video.split, draft.video.name, error)
