"""`mmvad curves`: the score curves of one run, or of two over one another, on named test videos (Figs. 6 and 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.benchmarks.timeline import SNIPPET_FRAMES
from mmvad.errors import UserError, nearest_name
from mmvad.evaluation.run_folder import remember_benchmark
from mmvad.extraction.snippets import fill
from mmvad.extraction.video_files import SUFFIXES, video_name
from mmvad.figures.pictures import draw, save
from mmvad.figures.run_figures import curve_on, frame_rate, row_seconds
from mmvad.figures.strip import Shot, frames_above, shots_of
from mmvad.metrics.evaluate import frame_scores
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.report.curves import MOST, WIDTH, chosen_videos, curve_panels, draw_over, name_panel, shared_legend
from mmvad.runs import RunFolder, read_json, read_report, require_finished
from mmvad.system.disk import disk_errors
from mmvad.system.log import LOG
from mmvad.tables.notes import chosen_notes
from mmvad.tables.scored import Truths, own_videos, require_banks

PAIR = (".png", ".svg")
SHOTS = 5
ROOM = 1.0
"""Inches over a panel for its frames."""


@dataclass(frozen=True)
class RunScores:
    """A run's scored test videos, with the content hash of the bank that they are from."""

    name: str
    benchmark: Benchmark
    bank_hash: str
    videos: list[ScoredVideo]
    select: str


def draw_curves(
    runs: Sequence[Path], named: Sequence[str], out: Path, *, media: Path | None = None, banks: Sequence[Path] = ()
) -> tuple[Path, ...]:
    """Writes the figure as PNG and SVG, or as what else `out` ends with; gives the files.

    Args:
        runs: one run folder or two; the second's curves lie over the first's.
        named: test videos, each by its name or the start of it; some spread over the names without any.
        media: folder with the videos themselves, named as in the bank; those that are there show frames.
        out: a file with an ending that matplotlib knows; PNG and SVG also for those two, and where there is no such.
        banks: where banks lie now, for runs that were made elsewhere.

    Raises UserError for what is no run, runs of different test sets, an unknown video, a video that cannot be read, and
    a folder that is not there.
    """
    require_banks(banks)
    if media and not media.is_dir():
        raise UserError(media, "no such folder", expected="videos")
    truths = Truths(banks, fix="say where it lies now: mmvad curves --bank DIR")
    scored = [_run_scores(run, truths) for run in runs]
    if len({run.bank_hash for run in scored}) > 1:
        hashes = " and ".join(run.bank_hash[:12] for run in scored)
        raise UserError(runs[1], f"was tested on another bank ({hashes})", expected="two runs of one test set")
    _require_known(named, scored[-1])
    earlier = {video.name: video for video in scored[0].videos}
    shared = [video for video in scored[-1].videos if video.name in earlier]  # scores from elsewhere may be of a part
    videos, _ = chosen_videos(scored[-1].benchmark, shared, named)
    shots = [_shots(media, scored[-1].benchmark, video) for video in videos]
    above = ROOM if any(shots) else 0.0
    figure, panels = curve_panels(len(videos), above)
    for axes, video, frames in zip(panels, videos, shots):
        if len(scored) == 2:
            draw_over(axes, scored[0].benchmark, earlier[video.name], video)
        else:
            curve_on(axes, scored[0].benchmark, video)
        name_panel(axes, scored[0].benchmark, video, frames_above(axes, frames, WIDTH / 2 - 0.7))
    messages = chosen_notes([(run.name, run.select) for run in scored])
    if messages:
        figure.supxlabel("\n".join(messages), fontsize=7)
    names = {"before": scored[0].name, "combined": scored[-1].name}
    shared_legend(figure, panels[0], names if len(scored) == 2 else {n: n for n in ("combined", "coarse", "fine")})
    return _save(figure, out)


def _save(figure: Figure, out: Path) -> tuple[Path, ...]:
    ending = out.suffix.lower()
    if ending in PAIR or ending[1:] not in FigureCanvasAgg.get_supported_filetypes():
        return save(figure, out.parent, out.stem if ending in PAIR else out.name)
    with disk_errors(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
        draw(figure, out, dpi=130, metadata={"CreationDate": None} if ending == ".pdf" else None)
    return (out,)


def _run_scores(path: Path, truths: Truths) -> RunScores:
    folder = RunFolder(path)
    require_finished(folder)
    report = read_report(folder)
    remember_benchmark(folder)
    recorded = read_json(folder.manifest).get("bank", {}).get("path") if folder.manifest.is_file() else None
    videos = own_videos(folder, report["bank_hash"], recorded, truths)
    benchmark = benchmark_named(report["config"]["benchmark"])
    return RunScores(path.resolve().name, benchmark, report["bank_hash"], videos, report["select"])


def _require_known(named: Sequence[str], run: RunScores) -> None:
    names = sorted(video.name for video in run.videos)
    for start in named:
        if not any(name.startswith(start) for name in names):
            problem = f"{run.name} has no test video {start!r}"
            nearest = nearest_name(start, names) or next(iter(get_close_matches(start, names, n=1, cutoff=0.0)), None)
            raise UserError("--videos", problem, nearest=nearest)
    wanted = sum(name.startswith(start) for name in names for start in named)
    if wanted > MOST:
        LOG.info(f"{wanted} test videos have these names; the first {MOST} are drawn")


def _shots(media: Path | None, benchmark: Benchmark, video: ScoredVideo) -> list[Shot]:
    """The video's frames; none where the video is not at hand."""
    file = media_file(media, video.name) if media else None
    if file is None:
        return []
    rate = frame_rate(benchmark, video)
    _warn_of_drift(file, video, rate)
    truth = [(start / rate, end / rate) for start, end in video.intervals]
    scores = frame_scores([video])["combined"]
    return shots_of(file, scores, row_seconds(benchmark, video), truth, SHOTS)


def media_file(folder: Path, name: str) -> Path | None:
    """The video file of that name, in a folder or below it; None where there is none."""
    videos = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    found = sorted(path for path in videos if name in (video_name(path), path.name))
    return found[0] if found else None


def _warn_of_drift(file: Path, video: ScoredVideo, rate: float) -> None:
    from mmvad.extraction.media import probe

    seconds = probe(file).duration_seconds
    frames = int(video.frame_edges[-1])
    if seconds and not fill(round(frames / SNIPPET_FRAMES), rate, seconds):
        lasts = frames / rate
        LOG.warning(
            f"warning: {file}: {frames} frames at its {rate:g} frames/s last {lasts:.1f} s, the video "
            f"{seconds:.1f} s: its frames may show another time than the curve"
        )
