"""The one look at a release that `mmvad data check` prints and `mmvad data import` follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmvad.benchmarks.benchmark import Benchmark, Split, Video
from mmvad.benchmarks.lists import read_videos
from mmvad.benchmarks.registry import benchmark
from mmvad.errors import UserError
from mmvad.releases.find import Release, find_release, require_audio
from mmvad.releases.findings import PARTIAL, Finding, is_cut, summary
from mmvad.releases.layouts import LayoutName
from mmvad.releases.options import VGGISH_WIDTH, AudioPolicy, Options
from mmvad.releases.patterns import find_own
from mmvad.releases.planning import Plan, plan_import
from mmvad.system.progress import progress_bar


@dataclass(frozen=True)
class Examined:
    """A release held against its lists: the plan with everything that is wrong but for the rows, which are not read.

    Attributes:
        options: as they were asked for, with the policy of sound that holds.
    """

    plan: Plan
    videos: Mapping[Split, Sequence[Video]]
    options: Options

    @property
    def listed(self) -> dict[Split, int]:
        return {split: len(videos) for split, videos in self.videos.items()}


def examine(
    benchmark_name: str | Path,
    source: Path | str | None,
    *,
    lists: Path | str | None = None,
    audio: AudioPolicy | None = None,
    crops: Sequence[int] | None = None,
    visual_width: int | None = None,
    audio_width: int | None = None,
    layout: LayoutName | None = None,
    fold: str | None = None,
    progress: bool = True,
) -> Examined:
    """The release at `source`, held against its lists.

    Raises UserError where nothing can be held against anything: no release, no lists, crops that are not there.
    """
    spec = benchmark(benchmark_name, fold)
    release, videos = release_of(spec, source, lists, layout)
    policy, taken = audio or default_audio(release), tuple(crops) if crops is not None else None
    options = Options(visual_width, audio_width or (None if spec.own else VGGISH_WIDTH), taken, policy)
    no_audio = list(_no_audio(release)) if policy == "required" else []
    planned = replace(options, audio="none") if no_audio else options
    with progress_bar("reading headers", sum(map(len, videos.values())), show=progress) as advance:
        plan = plan_import(release, videos, planned, advance)
    examined = Examined(plan, videos, options)
    plan.findings = [*no_audio, *plan.findings, *count_findings(spec, release.root, examined.listed)]
    return examined


def release_of(
    spec: Benchmark, source: Path | str | None, lists: Path | str | None, layout: LayoutName | None
) -> tuple[Release, dict[Split, list[Video]]]:
    """The files at `source` and the listed videos; of a user's benchmark both lie by default beside its file."""
    if spec.own:
        videos = read_videos(spec, Path(lists) if lists else None)
        return find_own(spec, Path(source) if source else spec.folder or Path(), videos), videos
    if source is None:
        raise UserError("SOURCE", f"says not where the release of {spec.title} is", expected="its folder")
    return find_release(spec, Path(source), layout), read_videos(spec, Path(lists or source))


def default_audio(release: Release) -> AudioPolicy:
    """What the benchmark says of sound; `none` where it is optional and the release has no folder of it."""
    policy = release.benchmark.audio
    return "none" if policy == "optional" and not release.has_audio else policy


def count_findings(spec: Benchmark, path: Path, counts: Mapping[Split, int]) -> Iterator[Finding]:
    """Splits whose lists, or banks, are not as long as the official split."""
    for split, count in counts.items():
        official = spec.official_counts[split]
        if official and count != official:
            problem = f"{spec.title}, {split} list: a split with missing videos: {count} listed"
            fix = "take the whole list, or say --subset to import this part (its figures are not comparable)"
            error = UserError(path, problem, expected=f"{official} videos in the official split", fix=fix)
            yield Finding("missing", split, "", error)


def forbidding(findings: Sequence[Finding], subset: bool, dtype: str | None) -> list[Finding]:
    """The findings that forbid an import: all but files too many, what --subset accepts and what --dtype settles.

    With a split of which nothing is left come its misplaced files: they say why.
    """
    tolerated = {"extra", *(PARTIAL if subset else ()), *(("dtype",) if dtype else ())}
    empty = {finding.split for finding in findings if finding.kind == "empty"}
    return [f for f in findings if f.kind not in tolerated or (f.kind == "misplaced" and f.split in empty)]


def refusal(release: Release, wrong: Sequence[Finding], listed: int, full_list: str) -> UserError:
    """The error of an import that these findings forbid."""
    if len(wrong) == 1 and wrong[0].kind not in PARTIAL:
        return wrong[0].error
    lost = [finding for finding in wrong if finding.kind in PARTIAL]
    if lost and len(lost) == len(wrong):
        problem = _lacking(lost, listed)
        fix = "fetch or rename the files, or say --subset to import what is there (its figures are not comparable)"
    else:
        count = len({(finding.split, finding.video) for finding in wrong if finding.kind != "empty"})
        videos = "1 video" if count == 1 else f"{count} videos"
        problem = f"{videos} cannot be imported" if count else "nothing can be imported"
        fix = "mend what is listed; `mmvad data check` reads the rows too"
    where = full_list or ("`mmvad data check` writes the full list" if is_cut(wrong) else "")
    lines = [f"{problem}:", summary(wrong), *([f"  {where}"] if where else [])]
    return UserError(release.root, "\n".join(lines), fix=fix)


def _lacking(lost: Sequence[Finding], listed: int) -> str:
    videos = list(dict.fromkeys(finding.video for finding in lost if finding.video))
    if not videos:
        return "a split with missing videos"
    names = ", ".join(videos[:3]) + (", ..." if len(videos) > 3 else "")
    return f"a split with missing videos: {len(videos)} of {listed} listed videos lack files: {names}"


def _no_audio(release: Release) -> Iterator[Finding]:
    """The folder of sound, where that is missing: one finding, and not one a video."""
    try:
        require_audio(release)
    except UserError as error:
        yield Finding("no audio", "", "", error)
