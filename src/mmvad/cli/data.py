"""`mmvad data import | check | show | audit`: from a folder of features to a bank, and what is in it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmvad.benchmarks.templates import template_names
from mmvad.cli.audit import add_audit_parser

AUDIO = ("required", "optional", "none")


def add_data_parser(subparsers: Any) -> None:
    """Adds `data` with its verbs to what `ArgumentParser.add_subparsers` gave; each sets `run(args) -> exit code`."""
    parser = subparsers.add_parser("data", help="import, check and show features", description=__doc__)
    verbs = parser.add_subparsers(dest="data_verb", metavar="VERB", required=True)
    _add_import(verbs)
    _add_check(verbs)
    add_audit_parser(verbs)
    new = verbs.add_parser(
        "new",
        help="a first benchmark's file for features of your own",
        description="Looks at a folder of features and tables and writes a first FOLDER.yaml into it, to be filled in.",
    )
    new.add_argument("folder", type=Path, metavar="DIR")
    new.add_argument(
        "--like",
        metavar="NAME",
        help="begin with the facts of a public benchmark (classes, prompts, counts, forms of its lists): "
        + ", ".join(template_names()),
    )
    new.set_defaults(run=run_new)
    show = verbs.add_parser("show", help="what a bank holds", description="What a bank's manifest says.")
    show.add_argument("bank", type=Path, metavar="BANK")
    show.set_defaults(run=run_show)


def _add_import(verbs: Any) -> None:
    parser = verbs.add_parser(
        "import",
        help="pack a feature release into a bank",
        description="Packs a feature release in its public layout into a bank. Stopped at any moment, it goes on where "
        "it was when it is started again.",
    )
    _add_common(parser, "SOURCE", "the folder of the release")
    parser.add_argument("--out", type=Path, required=True, metavar="BANK", help="where the bank shall lie")
    parser.add_argument("--dtype", choices=("float16", "float32", "float64"), help="default: the source's")
    parser.add_argument("--overwrite", action="store_true", help="replace a bank with other content")
    parser.set_defaults(run=run_import)


def _add_check(verbs: Any) -> None:
    parser = verbs.add_parser(
        "check",
        help="hold a release or a bank against the official split",
        description="Reads every file and prints all that is wrong. Exit code 0: nothing is wrong; 1: something is.",
    )
    _add_common(parser, "PATH", "the folder of the release, or a bank")
    parser.set_defaults(run=run_check)


def _add_common(parser: argparse.ArgumentParser, path: str, help_text: str) -> None:
    parser.add_argument(
        "benchmark", metavar="BENCHMARK", help="ucf_crime, xd_violence, or the path of a benchmark's own file"
    )
    parser.add_argument(
        "path", type=Path, nargs="?", metavar=path, help=f"{help_text} (default: the folder of the benchmark's file)"
    )
    parser.add_argument("--fold", metavar="NAME", help="one of a benchmark's several splits (default: each)")
    parser.add_argument(
        "--lists", type=Path, metavar="DIR", help="folder of lists and annotations (default: in the release)"
    )
    parser.add_argument("--audio", choices=AUDIO, help="whether videos have sound (default: what the benchmark says)")
    parser.add_argument("--crops", type=crop_numbers, metavar="0,5", help="which crops (default: all)")
    parser.add_argument("--subset", action="store_true", help="accept a split with missing videos")
    parser.add_argument(
        "--layout", choices=("clip", "i3d"), help="of the release (default: what the folder looks like)"
    )
    parser.add_argument(
        "--visual-width", type=int, metavar="N", help="columns of visual files (CLIP 512, I3D of XD-Violence 1024)"
    )
    parser.add_argument("--audio-width", type=int, metavar="N", help="columns of audio files (VGGish 128)")

    parser.add_argument(
        "--full-list", type=Path, metavar="FILE", help="where all findings go if many share a problem "
        "(default: NAME.findings.txt in the current folder)",
    )  # fmt: skip


def crop_numbers(text: str) -> tuple[int, ...]:
    """The crops of an option such as "0,5". Raises ArgumentTypeError for anything else."""
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r}: expected crop numbers such as 0,5")
    return tuple(sorted({int(part) for part in parts}))


def run_import(args: argparse.Namespace) -> int:
    """Imports a release; 0 when the bank is there."""
    from mmvad.bank.bank import open_bank
    from mmvad.releases.importing import import_release

    for fold in _folds(args):
        out = args.out / fold if fold else args.out
        import_release(
            args.benchmark, args.path, out, dtype=args.dtype, overwrite=args.overwrite, fold=fold, **_common(args)
        )
        print(f"{out}: content hash {open_bank(out).content_hash}")
    return 0


def run_check(args: argparse.Namespace) -> int:
    """Checks a release or a bank; 0 if nothing is wrong, 1 if something is."""
    from mmvad.releases.checking import check

    found = []
    for fold in _folds(args):
        if fold:
            print(f"fold {fold}")
        found.append(check(args.benchmark, args.path, fold=fold, **_common(args)))
    return 1 if any(found) else 0


def _folds(args: argparse.Namespace) -> tuple[str | None, ...]:
    """The benchmark's folds, or the one that is asked for; None alone where it has one split."""
    from mmvad.benchmarks.registry import benchmark

    folds = benchmark(args.benchmark).folds
    return (args.fold,) if args.fold is not None or not folds else folds


def run_new(args: argparse.Namespace) -> int:
    """Writes a first benchmark's file."""
    from mmvad.releases.first_file import TODO, write_first_file
    from mmvad.releases.like import write_like

    asked = args.like is not None
    files, refused = (write_like(args.folder, args.like), []) if asked else write_first_file(args.folder)
    for error in refused:
        print(f"note: not read: {error}", file=sys.stderr)
    for file in files:
        count = sum(TODO in line for line in file.read_text(encoding="utf-8").splitlines()[1:])
        print(f"{file}: written" + (f"; {count} line{'s' * (count > 1)} marked {TODO} to look at" if count else ""))
    print(f"next: mmvad data check {files[0]}")
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Prints what a bank's manifest says."""
    from mmvad.bank.bank import open_bank

    bank = open_bank(args.bank)
    manifest = bank.manifest
    print(f"{bank.path}: {bank.benchmark}, content hash {bank.content_hash}")
    print(f"  made {manifest.get('created')} by mmvad {manifest.get('mmvad')}")
    for split, part in manifest.get("splits", {}).items():
        crops = ",".join(map(str, part["crops"]))
        videos = f"{part['videos']} videos ({part['with_sound']} with sound)"
        print(f"  {split}: {videos}, {part['snippets']} snippets, crops {crops}")
    print("  dtype: " + ", ".join(f"{modality} {dtype}" for modality, dtype in manifest.get("dtype", {}).items()))
    for line in _lines(manifest.get("how", {})):
        print(f"  {line}")
    return 0


def _lines(how: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """`key: value` lines; what stands inside of a value as `key, inner: value`."""
    for key, value in how.items():
        if isinstance(value, dict):
            yield from _lines(value, f"{prefix}{key}, ")
        elif value is not None:
            yield f"{prefix}{key}: {value}"


def _common(args: argparse.Namespace) -> dict[str, Any]:
    """The options that both verbs have, as their functions take them."""
    named = args.path.resolve().name if args.path else Path(args.benchmark).stem
    full_list = args.full_list or Path(f"{named or 'release'}.findings.txt")
    names = ("lists", "audio", "crops", "subset", "visual_width", "audio_width", "layout")
    return {"full_list": full_list, **{name: getattr(args, name) for name in names}}
