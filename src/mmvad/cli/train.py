"""`mmvad planted`, `mmvad train`, `mmvad test`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def add_planted_parser(verbs: argparse._SubParsersAction) -> None:
    parser = verbs.add_parser("planted", help="make the planted benchmark's bank: no download")
    parser.add_argument("--out", type=Path, default=Path("banks/planted"), help="the bank (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the generator (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace another bank at that place")
    parser.set_defaults(run=run_planted)


def add_train_parser(verbs: argparse._SubParsersAction, asked: Sequence[str]) -> None:
    parser = verbs.add_parser(
        "train",
        help="train, test and report one configuration",
        usage="mmvad train [--config FILE]... [--key.sub=VALUE]...",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="The same command again goes on with a killed run, and leaves a finished one alone.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a YAML file, or the name of a shipped one: planted, peers/rtfm_xd; several are laid over one another",
    )
    parser.add_argument("--print-config", action="store_true", help="print the resolved configuration and end")
    parser.set_defaults(run=run_train, takes_overrides=True)
    if asked:
        parser.epilog = f"keys:\n{_key_help(asked)}\n\n{parser.epilog}"


def add_test_parser(verbs: argparse._SubParsersAction) -> None:
    parser = verbs.add_parser(
        "test",
        help="test a finished run again and hold it against its report; or test it on another bank",
        description="Tests a finished run again and holds the figures against its report. With --bank it is tested on "
        "another bank's test videos, be they of another benchmark; the figures go to tests/ in the run's folder.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument("--checkpoint", type=Path, help="another checkpoint of the same run")
    parser.add_argument("--bank", type=Path, metavar="OTHER", help="the bank to test on, in place of the run's own")
    parser.add_argument(
        "--classes", type=Path, metavar="MAP.yaml", help="its classes, each with the run's that stand for it"
    )
    parser.add_argument(
        "--open-vocabulary", action="store_true", help="give the network its class names, where it reads any"
    )
    parser.add_argument(
        "--look-ahead",
        metavar="N,...",
        help="test it as online: scores that see so many snippets after their own, such as 0,1,2,4,all",
    )
    parser.set_defaults(run=run_test, takes_overrides=True)


def run_planted(options: argparse.Namespace) -> int:
    from mmvad.synthetic.planted import write_planted

    write_planted(options.out, options.seed, overwrite=options.overwrite)
    return 0


def run_train(options: argparse.Namespace) -> int:
    from mmvad.config.load import dump, load_config

    config = load_config(options.config, options.overrides)
    if options.print_config:
        print(dump(config), end="")
        return 0
    _warn_of_unread([text.partition("=")[0] for text in options.overrides], config.model.name)
    from mmvad.data.opening import bank_of

    bank_of(config)  # a wrong path is refused before torch is waited for

    from mmvad.report.terminal import print_report
    from mmvad.training.train import train

    print_report(train(config))
    return 0


def _warn_of_unread(keys: list[str], model: str) -> None:
    from mmvad.config.identity import is_read

    unread = [key for key in keys if not is_read(key, model)]
    if unread:
        print(f"warning: {model} does not read {', '.join(unread)}: nothing changes by that", file=sys.stderr)


def run_test(options: argparse.Namespace) -> int:
    from mmvad.errors import UserError
    from mmvad.runs import RunFolder, run_config

    if options.bank and options.look_ahead:
        raise UserError("--look-ahead", "says nothing with --bank", expected="one of the two")
    if options.bank:
        return _run_transfer(options)
    said = [word for word in ("classes", "open_vocabulary") if getattr(options, word)]
    if said:
        raise UserError(f"--{said[0].replace('_', '-')}", "says nothing without --bank", expected="--bank OTHER")
    run_config(RunFolder(options.folder), options.overrides)  # likewise
    if options.look_ahead:
        return _run_look_ahead(options)

    from mmvad.report.terminal import annotator_lines, frame_table, map_table, use_table
    from mmvad.system.log import LOG
    from mmvad.system.terminal import Terminal
    from mmvad.training.retest import retest

    found = retest(options.folder, options.overrides, options.checkpoint)
    console = Terminal()
    console.print(frame_table(found.report))
    console.print(map_table(found.report))
    console.print(use_table(found.report))
    for line in annotator_lines(found.report):
        console.print(f"  {line}", highlight=False)
    differing = f"differs from the report in {', '.join(found.differing)}" if found.differing else "equal to the report"
    LOG.info(f"{found.checkpoint}: {differing}")
    return int(bool(found.differing))


def _run_look_ahead(options: argparse.Namespace) -> int:
    values = _look_aheads(options.look_ahead)

    from mmvad.report.terminal import look_ahead_table
    from mmvad.system.terminal import Terminal
    from mmvad.training.look_ahead import look_ahead_figures

    found = look_ahead_figures(options.folder, values, options.overrides, options.checkpoint)
    Terminal().print(look_ahead_table(found.figures, found.seconds))
    print(f"  {found.path}")
    return 0


def _look_aheads(text: str) -> list[int]:
    """The look-aheads of a list such as 0,1,all, in snippets. Raises UserError for anything else in it."""
    from mmvad.data.look_ahead import NO_LIMIT
    from mmvad.errors import UserError

    words = [word.strip() for word in text.split(",")]
    odd = [word for word in words if word != "all" and not word.isdecimal()]
    if odd:
        expected = "snippets after its own that a score may see, and all: --look-ahead 0,1,2,4,all"
        raise UserError("--look-ahead", f"{odd[0]!r}", expected=expected)
    return list(dict.fromkeys(NO_LIMIT if word == "all" else int(word) for word in words))


def _run_transfer(options: argparse.Namespace) -> int:
    from mmvad.bank.bank import open_bank
    from mmvad.runs import RunFolder, run_config

    run_config(RunFolder(options.folder), options.overrides)
    open_bank(options.bank)  # both are refused before torch is waited for

    from mmvad.report.terminal import print_transfer
    from mmvad.training.transfer import transfer

    found = transfer(
        options.folder,
        options.bank,
        options.overrides,
        options.checkpoint,
        classes=options.classes,
        open_vocabulary=options.open_vocabulary,
    )
    print_transfer(found.report)
    print(f"  {found.path}")
    return 0


def _key_help(arguments: Sequence[str]) -> str:
    """Every key with what it takes; those of a model from outside where the arguments name one."""
    from mmvad.config.load import expected_values, leaf_keys
    from mmvad.config.outside import config_type

    names = [word.partition("=")[2] for word in arguments if word.startswith("--model.name=")]
    rows = []
    for key, field in leaf_keys(config_type(names[-1] if names else None)).items():
        rows.append(f"  --{key}={expected_values(field)}  (default: {field.default})\n      {field.description}")
    return "\n".join(rows)
