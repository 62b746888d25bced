"""`mmvad import-weights`: a public checkpoint becomes a run folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mmvad.errors import UserError

if TYPE_CHECKING:
    from mmvad.config.schema import Config

EPILOG = """examples:
  mmvad import-weights hl_net ckpt/wsanodet_mix2.pkl --config peers/hl_net_xd --data.bank=BANK
  mmvad import-weights macil_sd both=av.pkl alone=v.pkl --config peers/macil_sd_xd --out runs/macil_published
  mmvad import-weights s3r best.pth dictionary=dictionary.npy --config peers/s3r_ucf"""


def add_import_weights_parser(verbs: argparse._SubParsersAction) -> None:
    parser = verbs.add_parser(
        "import-weights",
        help="test the weights that a method's public code wrote",
        description="Puts a public checkpoint (tensors alone) into a run folder, and tests it: `mmvad test`, `predict` "
        "and tables then take it as published weights. The settings have to be those that it was trained with.",
        usage="mmvad import-weights METHOD [NAME=]FILE... --config FILE [--out RUN] [--key.sub=VALUE]...",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EPILOG,
        allow_abbrev=False,
    )
    parser.add_argument("method", metavar="METHOD", help="its name, as in model.name")
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="the checkpoint; NAME=FILE where a method has several, such as dictionary=FILE.npy of S3R",
    )
    parser.add_argument(
        "--config", type=Path, action="append", default=[], metavar="FILE", help="as for train, such as peers/hl_net_xd"
    )
    parser.add_argument("--out", type=Path, metavar="RUN", help="the run folder (default: below runtime.results)")
    parser.set_defaults(run=run_import_weights, takes_overrides=True)


def run_import_weights(options: argparse.Namespace) -> int:
    config, files = _config(options), _files(options.files)
    from mmvad.bank.bank import open_bank

    open_bank(config.data.bank)  # what is wrong is refused before torch is waited for

    from mmvad.report.terminal import print_report
    from mmvad.training.import_weights import import_weights

    print_report(import_weights(config, files, options.out))
    return 0


def _config(options: argparse.Namespace) -> Config:
    """The configuration. Raises UserError where it is not said, or of another method."""
    from mmvad.config.load import load_config
    from mmvad.config.shipped import shipped_names

    shipped = [name for name in shipped_names("experiments") if name.startswith(f"peers/{options.method}_")]
    shipped = [name for name in shipped if not name.endswith("_as_published")]  # which lie over these
    hint = ", ".join(shipped) or "a configuration of the method"
    if not options.config:
        problem = "not given, and the weights do not say what they were trained on"
        raise UserError("--config", problem, expected=f"one of {hint}" if shipped else hint)
    config = load_config(options.config, options.overrides)
    if config.model.name != options.method:
        where = f"--config {options.config[-1]}"
        raise UserError(where, f"is for {config.model.name}, METHOD is {options.method}", expected=hint)
    return config


def _files(words: list[str]) -> dict[str, Path]:
    """The files by their names, "" where none was given. Raises UserError for a name that stands twice."""
    found: dict[str, Path] = {}
    for word in words:
        name, sign, path = word.partition("=")
        named = bool(sign) and name.isidentifier()
        key, file = (name, path) if named else ("", word)
        if key in found:
            problem = f"{key or 'the scored checkpoint'} is given twice: {found[key]} and {file}"
            raise UserError("FILE", problem, expected="one file each: NAME=FILE for further ones")
        found[key] = Path(file)
    return found
