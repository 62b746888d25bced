"""`mmvad predict`: a trained run's answer for any video; `--watch` for those that come."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmvad.cli.extraction_options import add_extraction_options, given_settings, require_packages
from mmvad.errors import UserError
from mmvad.system.log import LOG

if TYPE_CHECKING:
    from mmvad.predict.job import Predictor
    from mmvad.predict.sources import Request

EXIT_SOME_FAILED = 1


def add_predict_parser(subparsers: Any) -> None:
    """Adds `predict` to what `ArgumentParser.add_subparsers` gave; it sets `run(options) -> exit code`."""
    parser = subparsers.add_parser(
        "predict",
        help="score videos with a trained run: curves, events, a picture, a page",
        description="Scores videos with a trained run. Each gets a folder with scores.csv, events.csv, curves.png and "
        "prediction.json. What was predicted before is left alone. Exit code 1: some videos failed.",
        allow_abbrev=False,
    )
    parser.add_argument("videos", type=Path, nargs="*", metavar="VIDEO", help="files, folders, or .txt lists of paths")
    scorer = parser.add_mutually_exclusive_group(required=True)
    scorer.add_argument("--checkpoint", type=Path, metavar="RUN", help="a run folder, or a file in one")
    scorer.add_argument("--model", type=Path, metavar="DIR", help="a model that `mmvad export` wrote: without torch")
    parser.add_argument("--out", type=Path, default=Path("predictions"), metavar="DIR", help="(%(default)s)")
    parser.add_argument("--html", action="store_true", help="a page for each video: it plays above its curve")
    parser.add_argument(
        "--truth", type=Path, metavar="FILE", help="start,end[,class] in seconds; or a folder of NAME.csv"
    )
    parser.add_argument("--watch", type=Path, metavar="FOLDER", help="score what appears in the folder, until Ctrl-C")
    parser.add_argument("--chunk-overlap", type=int, metavar="N", help="snippets that chunks share (the run's own)")
    parser.add_argument("--all-runs", action="store_true", help="as events all runs that the mAP ranks, however faint")
    group = parser.add_argument_group("from features that were extracted before")
    group.add_argument(
        "--features", type=Path, nargs="+", default=[], metavar="NPY", help="visual files [n, d], NAME__CROP.npy"
    )
    group.add_argument("--audio", type=Path, metavar="NPY", help="the audio file [n, d_a], or a folder of them")
    group.add_argument("--fps", type=float, metavar="F", help="their rate (the benchmark's, or the file's)")
    add_extraction_options(parser, like_bank=True)
    parser.set_defaults(run=run_predict, takes_overrides=True)


def run_predict(options: argparse.Namespace) -> int:
    """Predicts; 0 when every video has its result, 1 where some failed."""
    _check_words(options)
    _check_files(options)
    if options.videos or not options.features:
        require_packages()
    from mmvad.system.disk import sole_writer

    run = _exported(options) if options.model else _trained(options)
    with sole_writer(options.out.resolve()):
        return _predict_features(options, run) if options.features else _predict_videos(options, run)


def _trained(options: argparse.Namespace) -> Any:
    from mmvad.predict.trained import load_run
    from mmvad.system.device import torch_device

    torch_device(options.device, "--device")
    return load_run(options.checkpoint, [*options.overrides, f"runtime.device={options.device.partition(':')[0]}"])


def _exported(options: argparse.Namespace) -> Any:
    """The exported model. Raises UserError for keys of a configuration, which it does not have any more."""
    from mmvad.predict.exported import load_model

    if options.overrides:
        problem = "an exported model has no settings to change"
        raise UserError(f"--{options.overrides[0].partition('=')[0]}", problem, fix="give the run: --checkpoint RUN")
    if options.features and options.device not in {"auto", "cpu"}:
        problem = f"{options.device!r}, but an exported model is scored on the CPU"
        raise UserError("--device", problem, fix="leave out --device, or give the run: --checkpoint RUN")
    return load_model(options.model)


def _check_words(options: argparse.Namespace) -> None:
    """Raises UserError for options that do not go together."""
    if not (options.videos or options.features or options.watch):
        raise UserError("command line", "no video", expected="VIDEO..., --features NPY... or --watch FOLDER")
    if options.watch and options.features:
        raise UserError("--watch", "videos are watched for, not feature files", fix="leave out --features or --watch")
    if options.watch and not options.watch.is_dir():
        raise UserError(options.watch, "is no folder", expected="the folder to watch")
    if options.out.exists() and not options.out.is_dir():
        raise UserError(options.out, "is a file", expected="a folder for the results", fix="give another --out")
    for word in ("audio", "fps"):
        if getattr(options, word) is not None and not options.features:
            problem = "is of feature files; a video file brings its own"
            raise UserError(f"--{word}", problem, fix=f"leave out --{word}, or give --features")
    if options.fps is not None and not 0 < options.fps < float("inf"):
        raise UserError("--fps", f"{options.fps:g} frames a second", expected="a number above 0")


def _check_files(options: argparse.Namespace) -> None:
    """Raises UserError for a file that is named and not there, before any weights are waited for."""
    from mmvad.extraction.video_files import find_videos, listed

    videos = find_videos(options.videos) if options.videos else []
    lists = {path: f"{path} (of {argument})" for argument in options.videos for path in listed(argument)}
    kinds = {"a video": videos, "features (.npy)": options.features, "audio features (.npy)": [options.audio]}
    for kind, paths in kinds.items():
        for path in paths:
            if path is not None and not path.exists():
                raise UserError(lists.get(path, path), "no such file or folder", expected=kind)


def _predict_features(options: argparse.Namespace, run: Any) -> int:
    from mmvad.extraction.video_files import find_videos, video_name
    from mmvad.predict.sources import by_video, request_files

    media = {video_name(path): path for path in find_videos(options.videos)} if options.videos else {}
    videos, usual = by_video(options.features), run.benchmark.frames_per_second
    _check_sole("--audio", options.audio, len(videos), "a folder that holds NAME__vggish.npy for each video")
    _check_truth(options, len(videos))
    if options.fps is None and run.benchmark.row.seconds is None and not media.keys() >= videos.keys():
        LOG.warning(f"note: times count {usual:g} frames a second, as {run.benchmark.title} says; --fps F for others")
    requests = [
        request_files(name, visual, options.audio, media.get(name), usual, options.fps, run.benchmark.row)
        for name, visual in videos.items()
    ]
    return _all(_predictor(options, run, (), None), requests)


def _predict_videos(options: argparse.Namespace, run: Any) -> int:
    from mmvad.extraction.video_files import SUFFIXES, find_videos, video_name
    from mmvad.predict.extraction import build_extractor, refuse_code
    from mmvad.predict.model_file import MODEL
    from mmvad.predict.sources import request_video

    videos = find_videos(options.videos) if options.videos else []
    _check_truth(options, len(videos) if not options.watch else 2)
    given = _given(options, run.uses_audio)
    if options.model:
        refuse_code(options.model / MODEL, run.extraction, given)
    extractor, warnings = build_extractor(run.extraction, given, uses_audio=run.uses_audio)
    predictor = _predictor(options, run, warnings, extractor.describe())
    code = _all(predictor, [request_video(path, extractor) for path in videos])
    if options.watch:
        from mmvad.predict.watch import watch

        taken = {video_name(path): path for path in videos}
        print(f"watching {options.watch}; Ctrl-C ends it")
        watch(options.watch, SUFFIXES, lambda path: _arrived(predictor, request_video(path, extractor), taken))
        return _end_of_watch(code)
    return code


def _end_of_watch(code: int) -> int:
    """The exit code: Ctrl-C is how a watch ends; a signal of the system's is told on, for what would follow it."""
    from mmvad.system.stopping import EXIT_CTRL_C, interrupted_code

    if interrupted_code() == EXIT_CTRL_C:
        print("stopped watching")
        return code
    print("stopped watching; the same command goes on from here", flush=True)
    return interrupted_code()


def _predictor(
    options: argparse.Namespace, run: Any, notes: tuple[str, ...], extraction: dict[str, Any] | None
) -> Predictor:
    from mmvad.predict.job import OutputOptions, Predictor

    run.overlap(options.chunk_overlap)  # before it fails video by video
    output = OutputOptions(
        options.out,
        options.html,
        options.truth,
        options.all_runs,
        options.chunk_overlap,
        notes,
        options.fps,
        extraction,
    )
    return Predictor(run, output)


def _all(predictor: Predictor, requests: list[Request]) -> int:
    from mmvad.system.progress import track

    failed = [r.files[0].name for r in track(requests, "predicting", len(requests)) if not _one(predictor, r)]
    if failed:
        print(f"{len(failed)} of {len(requests)} failed: {', '.join(failed[:5])}", file=sys.stderr)
    return EXIT_SOME_FAILED if failed else 0


def _arrived(predictor: Predictor, request: Request, taken: dict[str, Path]) -> None:
    """Predicts a video that came, unless another one that is there has its name: that one's results would go."""
    from mmvad.extraction.video_files import claim_name

    try:
        claim_name(taken, request.files[0])
    except (UserError, OSError) as error:
        print(f"failed: {error}", file=sys.stderr)
    else:
        _one(predictor, request)


def _one(predictor: Predictor, request: Request) -> bool:
    """Predicts one video and says what was found; False for a bad one, which is named. A full disk ends everything."""
    from mmvad.system.attempts import Failure, attempt

    done = attempt(request.files[0], lambda: _predicted(predictor, request))
    if isinstance(done, Failure):
        print(f"failed: {done.reason}", file=sys.stderr)
        return False
    print(done, flush=True)
    return True


def _predicted(predictor: Predictor, request: Request) -> str:
    """Predicts one video; gives what was found, in words."""
    from mmvad.predict.job import prediction_line

    folder = predictor.output.out / request.name
    if predictor.is_done(request):
        return f"{request.name}: done before, {folder}"
    return f"{prediction_line(predictor.predict(request))}\n  {folder}"


def _check_truth(options: argparse.Namespace, count: int) -> None:
    if options.truth is None:
        return
    if not options.truth.exists():
        raise UserError(options.truth, "no such file or folder", expected="start,end[,class] in seconds")
    _check_sole("--truth", options.truth, count, "a folder that holds NAME.csv for each video")


def _check_sole(option: str, path: Path | None, videos: int, folder: str) -> None:
    if path is not None and path.is_file() and videos > 1:
        raise UserError(
            path, f"{option} names one file for {videos} videos", expected="one video", fix=f"give {folder}"
        )


def _given(options: argparse.Namespace, uses_audio: bool) -> dict[str, Any]:
    """What the command line says of extraction; None where it says nothing, for the bank's own way."""
    ways = given_settings(options)
    if len(ways) > 1:
        raise UserError("--visual-tower", f"{len(ways)} towers", expected="one: the run reads features of one")
    return {**ways[0], "audio": uses_audio and not options.no_audio}
