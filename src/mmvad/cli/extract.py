"""`mmvad extract VIDEOS... --out DIR`: from video files to features."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmvad.errors import UserError

EXIT_SOME_FAILED = 1
_PACKAGES = ("av", "torchvggish", "resampy", "soundfile")


def add_extract_parser(subparsers: Any) -> None:
    """Adds `extract` to what `ArgumentParser.add_subparsers` gave; it sets `run(args) -> exit code`."""
    parser = subparsers.add_parser(
        "extract",
        help="make CLIP and VGGish features of video files",
        description="Makes features of video files: CLIP on snippets of 16 frames, VGGish on windows of 0.96 s. The "
        "same command again goes on with a killed extraction and leaves finished videos alone. Exit code 1: some "
        "failed.",
        allow_abbrev=False,
    )
    parser.add_argument("videos", type=Path, nargs="+", metavar="VIDEOS", help="files, folders, or .txt lists of paths")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder of the features")
    parser.add_argument(
        "--benchmark",
        metavar="NAME",
        help="lay the files out as its release: ucf_crime, xd_violence; or a file of your own, for --bank",
    )
    parser.add_argument("--lists", type=Path, metavar="DIR", help="the benchmark's lists and annotations")
    parser.add_argument("--bank", type=Path, metavar="BANK", help="import the features into a bank at once")
    parser.add_argument("--subset", action="store_true", help="a bank of a part of the official split")
    parser.add_argument("--workers", type=positive, default=1, metavar="N", help="videos at a time (%(default)s)")
    add_extraction_options(parser)
    parser.set_defaults(run=run_extract)


def add_extraction_options(parser: argparse.ArgumentParser, *, like_bank: bool = False) -> None:
    """Adds the options that say how features are made; `extraction_settings` reads them.

    With `like_bank` those that decide a feature's value default to None: as the bank's were made.
    """
    group = parser.add_argument_group("how features are made")
    default: Callable[[Any], Any] = lambda value: None if like_bank else value  # noqa: E731
    shown: Callable[[Any], str] = lambda value: f"({'as the bank was made' if like_bank else value})"  # noqa: E731
    group.add_argument(
        "--clip-architecture",
        choices=("ViT-B-16-quickgelu", "tiny"),
        default=default("ViT-B-16-quickgelu"),
        help=f"CLIP's image tower {shown('ViT-B-16-quickgelu')}",
    )
    group.add_argument(
        "--clip-weights", default=default("openai"), metavar="W", help=f"openai, a file, or random {shown('openai')}"
    )
    group.add_argument(
        "--vggish-weights",
        default=default("published"),
        metavar="W",
        help=f"published, a file, or random {shown('published')}",
    )
    group.add_argument(
        "--vggish-pca", metavar="W", help=f"AudioSet's post-processing: published or a file {shown('without it')}"
    )
    group.add_argument(
        "--sampling",
        choices=("centre", "mean"),
        default=default("centre"),
        help=f"of a snippet's 16 frames {shown('centre')}",
    )
    group.add_argument(
        "--crops", type=int, choices=(1, 10), default=default(1), help=f"centre, or the ten of the releases {shown(1)}"
    )
    group.add_argument("--no-audio", action="store_true", help="extract no sound")
    group.add_argument(
        "--audio-window",
        choices=("end", "tick"),
        default=default("end"),
        help=f"windows that end with their snippet, or torchvggish's grid joined by time {shown('end')}",
    )
    group.add_argument("--audio-track", type=int, default=default(0), metavar="N", help=f"counted from 0 {shown(0)}")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (%(default)s)")
    group.add_argument(
        "--precision",
        choices=("auto", "float32", "float16", "bfloat16"),
        default="auto",
        help="auto: float16 beside float32 on a GPU, float32 on a CPU",
    )
    group.add_argument("--batch", type=positive, default=32, metavar="N", help="images a call of CLIP (%(default)s)")


def positive(text: str) -> int:
    """A whole number above 0. Raises ArgumentTypeError for anything else."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number above 0")
    return int(text)


def require_packages() -> None:
    """Raises UserError where the packages that read video are not installed."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        problem = f"reading video needs packages that are not installed: {', '.join(missing)}"
        raise UserError("mmvad", problem, fix="pip install 'mmvad[video]', or make in a clone")


def extraction_settings(args: argparse.Namespace) -> Any:
    """The `ExtractionSettings` of the options that `add_extraction_options` added."""
    from mmvad.extraction.extractor import ExtractionSettings

    if args.audio_track < 0:
        raise UserError("--audio-track", f"{args.audio_track}", expected="0 for the first track, 1 for the second")
    return ExtractionSettings(
        architecture=args.clip_architecture,
        clip_weights=args.clip_weights,
        vggish_weights=args.vggish_weights,
        vggish_pca=args.vggish_pca,
        sampling=args.sampling,
        crops=args.crops,
        audio=not args.no_audio,
        audio_window=args.audio_window,
        audio_track=args.audio_track,
        device=args.device,
        precision=args.precision,
        batch=args.batch,
    )


def run_extract(args: argparse.Namespace) -> int:
    """Extracts; 0 when every video has its features, 1 where some failed."""
    require_packages()
    from mmvad.extraction.extractor import Extractor
    from mmvad.extraction.folder import FeatureFolder
    from mmvad.extraction.run import extract_all, summary
    from mmvad.extraction.video_files import find_videos
    from mmvad.system.disk import sole_writer

    videos, paths = find_videos(args.videos), _feature_paths(args)
    extractor = Extractor(extraction_settings(args))
    with sole_writer(args.out.resolve()):
        folder = FeatureFolder(paths, extractor.describe())
        for warning in folder.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        outcome = extract_all(videos, extractor, folder, args.workers)
    print(summary(outcome, extractor))
    if args.bank and outcome.failed and not args.subset:
        mend = "mend them and give the same command again, or take what is there with --subset"
        print(f"{args.bank}: the bank is not made: {len(outcome.failed)} videos failed; {mend}", file=sys.stderr)
    elif args.bank:
        _import(args, extractor)
    return EXIT_SOME_FAILED if outcome.failed else 0


def _feature_paths(args: argparse.Namespace) -> Any:
    """Where the files go; checks the options that belong together."""
    from mmvad.extraction.folder import FeaturePaths

    if args.benchmark is None:
        given = [name for name in ("lists", "bank", "subset") if getattr(args, name)]
        if given:
            raise UserError(
                f"--{given[0]}", "says nothing without --benchmark", expected="--benchmark NAME --lists DIR"
            )
        return FeaturePaths(args.out)
    from mmvad.benchmarks.lists import read_videos
    from mmvad.benchmarks.registry import benchmark

    spec = benchmark(args.benchmark)
    if spec.own:  # whose patterns say where its files are
        return FeaturePaths(args.out)
    lists = read_videos(spec, args.lists or args.out)
    return FeaturePaths(args.out, spec, {video.name: video for split in lists.values() for video in split})


def _import(args: argparse.Namespace, extractor: Any) -> None:
    """Packs the features into a bank. A video that was found to be silent may be so."""
    from mmvad.benchmarks.registry import benchmark
    from mmvad.releases.importing import import_release

    import_release(
        args.benchmark,
        args.out,
        args.bank,
        lists=args.lists,
        audio=None if benchmark(args.benchmark).own else "optional" if extractor.sound else "none",
        subset=args.subset,
        visual_width=extractor.image.width,
    )
