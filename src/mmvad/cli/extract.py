"""`mmvad extract VIDEOS... --out DIR`: from video files to features."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmvad.cli.extraction_options import add_extraction_options, extraction_settings, positive, require_packages
from mmvad.errors import UserError

EXIT_SOME_FAILED = 1


def add_extract_parser(subparsers: Any) -> None:
    """Adds `extract` to what `ArgumentParser.add_subparsers` gave; it sets `run(args) -> exit code`."""
    parser = subparsers.add_parser(
        "extract",
        help="make features of video files: CLIP and VGGish, or other networks",
        description="Makes features of video files: CLIP on snippets of 16 frames, VGGish on windows of 0.96 s, or "
        "other towers. The same command again goes on with a killed extraction and leaves finished videos alone. Exit "
        "code 1: some failed.",
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


def run_extract(args: argparse.Namespace) -> int:
    """Extracts; 0 when every video has its features, 1 where some failed."""
    require_packages()
    from mmvad.extraction.extractor import Extractor
    from mmvad.extraction.run import extract_all, summary
    from mmvad.extraction.video_files import find_videos
    from mmvad.system.disk import sole_writer

    videos, settings, benchmark = find_videos(args.videos), extraction_settings(args), _benchmark_paths(args)
    folders = _folders(settings)
    extractors = [Extractor(chosen) for chosen in settings]
    with sole_writer(args.out.resolve()):
        ways = [_way(benchmark, args.out / name, extractor) for name, extractor in zip(folders, extractors)]
        for warning in (warning for way in ways for warning in way.folder.warnings):
            print(f"warning: {warning}", file=sys.stderr)
        outcome = extract_all(videos, ways, args.workers)
    print(summary(outcome, extractors))
    if args.bank and outcome.failed and not args.subset:
        mend = "mend them and give the same command again, or take what is there with --subset"
        print(f"{args.bank}: the bank is not made: {len(outcome.failed)} videos failed; {mend}", file=sys.stderr)
    elif args.bank:
        for name, extractor in zip(folders, extractors):
            _import(args, extractor, args.out / name, args.bank / name)
    return EXIT_SOME_FAILED if outcome.failed else 0


def _folders(settings: Sequence[Any]) -> list[str]:
    """Where each tower's features go below DIR: of a single one DIR itself.

    Raises UserError where two would be the same features.
    """
    if len(settings) == 1:
        return ["."]
    visual, both = ([_folder(one, also) for one in settings] for also in (False, True))
    names = visual if len(set(visual)) == len(visual) else both
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError("--visual-tower", f"{twice} is named twice", expected="towers that differ")
    return names


def _folder(settings: Any, with_sound: bool) -> str:
    name = f"{settings.visual_tower}--{settings.audio_tower}" if with_sound else settings.visual_tower
    return re.sub(r"[^\w.-]+", "-", name)


def _way(benchmark: dict[str, Any], out: Path, extractor: Any) -> Any:
    from mmvad.extraction.folder import FeatureFolder, FeaturePaths
    from mmvad.extraction.run import Way
    from mmvad.extraction.settings import VGGISH_WINDOWS

    vggish = extractor.settings.audio_tower in VGGISH_WINDOWS
    return Way(extractor, FeatureFolder(FeaturePaths(out, **benchmark, vggish=vggish), extractor.describe()))


def _benchmark_paths(args: argparse.Namespace) -> dict[str, Any]:
    """What `FeaturePaths` asks about a benchmark; checks the options that belong together."""
    if args.benchmark is None:
        given = [name for name in ("lists", "bank", "subset") if getattr(args, name)]
        if given:
            raise UserError(
                f"--{given[0]}", "says nothing without --benchmark", expected="--benchmark NAME --lists DIR"
            )
        return {}
    from mmvad.benchmarks.lists import read_videos
    from mmvad.benchmarks.registry import benchmark

    spec = benchmark(args.benchmark)
    if spec.own:  # whose patterns say where its files are
        return {}
    lists = read_videos(spec, args.lists or args.out)
    return {"benchmark": spec, "videos": {video.name: video for split in lists.values() for video in split}}


def _import(args: argparse.Namespace, extractor: Any, release: Path, bank: Path) -> None:
    """Packs the features into a bank. A video that was found to be silent may be so."""
    from mmvad.benchmarks.registry import benchmark
    from mmvad.releases.importing import import_release

    import_release(
        args.benchmark,
        release,
        bank,
        lists=args.lists,
        audio=None if benchmark(args.benchmark).own else "optional" if extractor.sound else "none",
        subset=args.subset,
        visual_width=extractor.image.width,
        audio_width=extractor.sound.width if extractor.sound else None,
    )
