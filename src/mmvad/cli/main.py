"""`mmvad VERB`: parses and checks, then imports what the verb needs. Bad input ends with a clear message and code 2."""

from __future__ import annotations

import argparse
import errno
import logging
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import Any

from mmvad import __version__
from mmvad.cli.audit_run import add_run_audit_parser
from mmvad.cli.data import add_data_parser
from mmvad.cli.demo import add_demo_parser
from mmvad.cli.evaluate import add_evaluate_parser
from mmvad.cli.export import add_export_parser
from mmvad.cli.extract import add_extract_parser
from mmvad.cli.import_weights import add_import_weights_parser
from mmvad.cli.predict import add_predict_parser
from mmvad.cli.report import add_curves_parser, add_report_parser
from mmvad.cli.sweep import add_sweep_parser
from mmvad.cli.train import add_planted_parser, add_test_parser, add_train_parser
from mmvad.cli.watch import add_watch_parser
from mmvad.errors import UserError, nearest_name
from mmvad.system.printing import Printed, nobody_reads
from mmvad.system.stopping import interrupted_code, interruptible

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
        with interruptible():
            options, overrides = _parse(arguments)
            options.overrides = overrides
            code = int(options.run(options))
            print(end="", flush=True)  # here, where a reader that has gone is no error
            return code
    except UserError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        print("mmvad: stopped; the same command goes on from here", file=sys.stderr)
        return interrupted_code()
    except BrokenPipeError:
        if not nobody_reads():
            raise
        return EXIT_NOBODY_READS
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS, errno.EPERM}:
            fix = "free space or choose another place"
            return _refuse(str(UserError(error.filename or "disk", str(error.strerror), fix=fix)))
        raise


class Parser(argparse.ArgumentParser):
    """argparse, whose refusal of a word that is none of the choices looks like all other errors."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """What argparse asks of every verb and every option with choices; raises UserError with the nearest one."""
        if action.choices is None or value in action.choices:
            return
        word, known = str(value), [str(choice) for choice in action.choices]
        raise UserError(
            action.option_strings[-1] if action.option_strings else self.prog,
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
    add_planted_parser(verbs)
    add_train_parser(verbs, arguments if arguments[:1] == ["train"] and {"-h", "--help"} & set(arguments) else ())
    add_test_parser(verbs)
    add_evaluate_parser(verbs)
    add_import_weights_parser(verbs)
    add_predict_parser(verbs)
    add_watch_parser(verbs)
    add_export_parser(verbs)
    add_demo_parser(verbs)
    add_report_parser(verbs)
    add_curves_parser(verbs)
    add_run_audit_parser(verbs)
    add_sweep_parser(verbs)
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


def _refuse(message: str) -> int:
    print(f"mmvad: error: {message}", file=sys.stderr)
    return EXIT_USER_ERROR


if __name__ == "__main__":
    sys.exit(main())
