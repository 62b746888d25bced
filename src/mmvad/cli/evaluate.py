"""`mmvad evaluate SCORES`: every metric of scores that another program wrote, under the same protocol."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmvad.evaluation.truth import Truth

_SAYS_ROW = ("seed", "modalities", "features", "supervision")


def add_evaluate_parser(subparsers: Any) -> None:
    """Adds `evaluate` to what `ArgumentParser.add_subparsers` gave; it sets `run(options) -> exit code`."""
    parser = subparsers.add_parser(
        "evaluate",
        help="every metric of scores that another program wrote",
        description="Computes every metric for scores that another program wrote, and with --out leaves a run folder, "
        "so that their method stands as a row in the tables of `mmvad report`. SCORES is an .npz (names, snippets and "
        "scores end to end, or one array a video), a folder of .npy files (one a video), a .npy of all test videos end "
        "to end, or a CSV (video, row or frame, score, a column for each class).",
        allow_abbrev=False,
    )
    parser.add_argument("scores", type=Path, metavar="SCORES", help="a file or a folder of scores")
    add_truth_options(parser)
    parser.add_argument("--per", choices=("row", "frame"), help="what a score is of (default: told by the lengths)")
    parser.add_argument("--subset", action="store_true", help="accept scores of a part of the test videos")
    group = parser.add_argument_group("a row in tables")
    group.add_argument("--out", type=Path, metavar="RUN", help="leave a run folder there, such as runs/method")
    group.add_argument("--name", metavar="NAME", help="the method, as tables shall print it")
    group.add_argument("--seed", type=int, metavar="N", help="which of its runs: a row is the mean of them (0)")
    group.add_argument("--modalities", choices=("v", "va", "vt", "vat"), help="what it reads (default: not said)")
    group.add_argument("--features", metavar="F", help="such as CLIP or I3D (default: not said)")
    group.add_argument("--supervision", metavar="S", help="such as weak (default: not said)")
    parser.set_defaults(run=run_evaluate)


def add_truth_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say what is held against; `truth_of` reads them."""
    parser.add_argument("--benchmark", metavar="B", help="a name, or a benchmark's YAML file (default: the bank's)")
    parser.add_argument("--fold", metavar="F", help="which of the benchmark's splits, where it has several")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--lists", type=Path, metavar="DIR", help="folder of the benchmark's lists and annotations")
    where.add_argument("--bank", type=Path, metavar="BANK", help="a bank, whose test split has the truth")
    parser.add_argument(
        "--lengths", type=Path, metavar="CSV", help="table of the videos' lengths: video, and frames or snippets"
    )


def truth_of(options: argparse.Namespace) -> Truth:
    """The test set that the options name. Raises UserError where there is none."""
    from mmvad.benchmarks.registry import benchmark
    from mmvad.errors import UserError
    from mmvad.evaluation.truth import read_lengths, truth_of_bank, truth_of_lists

    lengths = read_lengths(options.lengths) if options.lengths else None
    if options.bank:
        from mmvad.bank.bank import open_bank

        bank = open_bank(options.bank)
        return truth_of_bank(benchmark(options.benchmark or bank.benchmark, options.fold), bank, lengths)
    if not options.benchmark:
        fix = "--benchmark ucf_crime --lists DIR, the folder of its lists and annotations; or --bank BANK"
        raise UserError("command line", "nothing says what is true", expected="a benchmark's lists, or a bank", fix=fix)
    from mmvad.benchmarks.lists import read_videos

    named = benchmark(options.benchmark, options.fold)
    if named.folds and not named.fold:
        fix = f"say which: --fold {named.folds[0]}"
        raise UserError("--benchmark", f"{named.title} has several splits", expected=", ".join(named.folds), fix=fix)
    return truth_of_lists(named, read_videos(named, options.lists), options.lists, lengths)


def run_evaluate(options: argparse.Namespace) -> int:
    """Evaluates, prints, and leaves a run folder where one is asked for."""
    _check_words(options)
    from mmvad.benchmarks.timeline import PUBLISHED
    from mmvad.evaluation.foreign_scores import read_scores
    from mmvad.evaluation.matching import match
    from mmvad.evaluation.run_folder import Described, foreign_report, write_foreign_run
    from mmvad.report.terminal import print_figures

    said = {name: getattr(options, name) for name in _SAYS_ROW if getattr(options, name) is not None}
    described = Described(options.name or options.scores.stem or str(options.scores), **said)
    truth = truth_of(options)
    scores = read_scores(options.scores, truth)
    matched = match(scores, truth, subset=options.subset, per=options.per)
    report = foreign_report(scores, truth, matched, described)
    of_16 = all(video.timing == PUBLISHED for video in truth.videos)
    unit = "frame" if matched.per == "frame" else "row of 16 frames" if of_16 else "row"
    print(
        f"{options.scores}: {len(matched.videos)} test videos of {truth.benchmark.title}, held against {truth.source}"
    )
    print(f"a score a {unit} ({matched.reason}): {report['frames']:,} frames, {report['abnormal_frames']:,} abnormal")
    print_figures(report)
    if options.out:
        folder = write_foreign_run(options.out, report, truth, matched)
        print(f"  {folder.report}: a row of `mmvad report {options.out.parent}`")
    return 0


def _check_words(options: argparse.Namespace) -> None:
    """Raises UserError for options that do not go together."""
    from mmvad.errors import UserError

    if options.out and not options.name:
        raise UserError("--out", "a row needs a name", expected='--name "Method", as tables shall print it')
    said = [f"--{name}" for name in ("name", *_SAYS_ROW) if getattr(options, name) is not None]
    if said and not options.out:
        raise UserError(said[0], "says nothing without --out", expected="--out RUN, the folder of the row")
    if options.seed is not None and options.seed < 0:
        raise UserError("--seed", f"{options.seed} is negative", expected="0, 1, 2, ...")
