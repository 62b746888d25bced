"""`mmvad VERB`: parses and checks, then imports what the verb needs. Bad input ends with a clear message and code 2."""

from __future__ import annotations

import argparse
import errno
import logging
import re
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from mmvad import __version__
from mmvad.bench.commands import add_bench_parser
from mmvad.demo.commands import add_demo_parser
from mmvad.errors import UserError, nearest_name
from mmvad.features.commands import add_data_parser
from mmvad.features.extract_commands import add_extract_parser
from mmvad.predict.commands import add_predict_parser
from mmvad.printing import Printed, nobody_reads
from mmvad.report.commands import add_curves_parser, add_report_parser
from mmvad.sweeps.commands import add_sweep_parser

EXIT_USER_ERROR = 2
EXIT_NOBODY_READS = 128 + 13  # as a shell calls the end by SIGPIPE


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; gives its exit code. Errors that a user can mend are printed without a traceback."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[Printed(sys.stdout)])
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("mmvad").setLevel(logging.INFO)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a file's name need not be text that the terminal can show
            stream.reconfigure(errors="backslashreplace")
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options, overrides = _parse(arguments)
        options.overrides = overrides
        code = int(options.run(options))
        print(end="", flush=True)  # here, where a reader that has gone is no error
        return code
    except UserError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        print("mmvad: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    except BrokenPipeError:
        if not nobody_reads():
            raise
        return EXIT_NOBODY_READS
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EPERM}:
            return _refuse(
                f"{error.filename or 'disk'}: {error.strerror}\n  to mend: free space or choose another place"
            )
        raise


class Parser(argparse.ArgumentParser):
    """argparse, whose refusals of a word look like all other errors."""

    def error(self, message: str) -> NoReturn:
        choice = re.search(r"(?:argument (?:.*/)?(--\S+): )?invalid choice: '?(.*?)'? \(choose from (.*)\)", message)
        if choice is None:
            super().error(message)
        option, word, known = choice[1], choice[2], re.findall(r"[\w.-]+", choice[3])
        raise UserError(
            option or self.prog,
            f"{word!r} is not known",
            expected=f"one of {', '.join(known)}",
            nearest=nearest_name(word, known),
            fix=f"`{self.prog} --help` explains them",
        )


def build_parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of all verbs; for `train --help` among the arguments it looks up every key."""
    parser = Parser(
        prog="mmvad",
        description="Weakly supervised, multimodal video anomaly detection: train, test, compare.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"mmvad {__version__}")
    verbs = parser.add_subparsers(title="verbs", dest="verb", metavar="VERB", required=True)
    add_data_parser(verbs)
    add_extract_parser(verbs)
    _add_planted(verbs)
    _add_train(verbs, with_keys=arguments[:1] == ["train"] and bool({"-h", "--help"} & set(arguments)))
    _add_test(verbs)
    add_predict_parser(verbs)
    add_demo_parser(verbs)
    add_report_parser(verbs)
    add_curves_parser(verbs)
    add_sweep_parser(verbs)
    add_bench_parser(verbs)
    return parser


def _parse(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Options of the verb, and `key=value` for every option that only the configuration knows."""
    options, rest = build_parser(arguments).parse_known_args(arguments)
    if rest and not getattr(options, "takes_overrides", False):
        raise UserError(
            "command line",
            f"unknown option {rest[0]!r} for `mmvad {options.verb}`",
            fix=f"`mmvad {options.verb} --help` lists them",
        )
    overrides = []
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            layered = hasattr(options, "config") and word.endswith((".yaml", ".yml"))
            fix = f"say --config once a file: --config {word}" if layered else None
            raise UserError("command line", f"unexpected {word!r}", expected="--key.sub=value", fix=fix)
        if "=" not in word:
            if not rest or rest[0].startswith("--"):
                raise UserError("command line", f"{word} has no value", expected=f"{word}=VALUE")
            word = f"{word}={rest.pop(0)}"
        overrides.append(word.removeprefix("--"))
    return options, overrides


def _add_planted(verbs: argparse._SubParsersAction) -> None:
    parser = verbs.add_parser("planted", help="make the planted benchmark's bank: no download")
    parser.add_argument("--out", type=Path, default=Path("banks/planted"), help="the bank (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the generator (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace another bank at that place")
    parser.set_defaults(run=_run_planted)


def _add_train(verbs: argparse._SubParsersAction, *, with_keys: bool) -> None:
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
        help="a YAML file; several are laid over one another",
    )
    parser.add_argument("--print-config", action="store_true", help="print the resolved configuration and end")
    parser.set_defaults(run=_run_train, takes_overrides=True)
    if with_keys:
        parser.epilog = f"keys:\n{_key_help()}\n\n{parser.epilog}"


def _add_test(verbs: argparse._SubParsersAction) -> None:
    parser = verbs.add_parser("test", help="test a finished run again and hold it against its report")
    parser.add_argument("folder", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument("--checkpoint", type=Path, help="another checkpoint of the same run")
    parser.set_defaults(run=_run_test, takes_overrides=True)


def _run_planted(options: argparse.Namespace) -> int:
    from mmvad.features.planted import write_planted

    write_planted(options.out, options.seed, overwrite=options.overwrite)
    return 0


def _run_train(options: argparse.Namespace) -> int:
    from mmvad.config.load import dump, load_config

    config = load_config(options.config, options.overrides)
    if options.print_config:
        print(dump(config), end="")
        return 0
    _warn_of_unread([text.partition("=")[0] for text in options.overrides], config.model.name)
    from mmvad.features.bank import open_bank

    open_bank(config.data.bank)  # a wrong path is refused before torch is waited for

    from mmvad.report.terminal import print_report
    from mmvad.train import train

    print_report(train(config))
    return 0


def _warn_of_unread(keys: list[str], model: str) -> None:
    from mmvad.config.identity import is_read

    unread = [key for key in keys if not is_read(key, model)]
    if unread:
        print(f"warning: {model} does not read {', '.join(unread)}: nothing changes by that", file=sys.stderr)


def _run_test(options: argparse.Namespace) -> int:
    from mmvad.runs import RunFolder, run_config

    run_config(RunFolder(options.folder), options.overrides)  # likewise

    from mmvad.retest import retest

    return retest(options.folder, options.overrides, options.checkpoint)


def _key_help() -> str:
    from mmvad.config.load import expected_values, leaf_keys

    rows = []
    for key, field in leaf_keys().items():
        rows.append(f"  --{key}={expected_values(field)}  (default: {field.default})\n      {field.description}")
    return "\n".join(rows)


def _refuse(message: str) -> int:
    print(f"mmvad: error: {message}", file=sys.stderr)
    return EXIT_USER_ERROR


if __name__ == "__main__":
    sys.exit(main())
