"""The options that say how features are made, of `mmvad extract` and `mmvad predict`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from mmvad.errors import UserError

_PACKAGES = ("av", "torchvggish", "resampy", "soundfile")
USUAL = "-"
"""Among several weights: those that the tower has where none are named."""


def add_extraction_options(parser: argparse.ArgumentParser, *, like_bank: bool = False) -> None:
    """Adds the options that say how features are made; what is not given is None.

    With `like_bank` that stands for how the bank's were made, else for the default.
    """
    group = parser.add_argument_group("how features are made")

    def usual(value: object) -> str:
        return f"({'as the bank was made' if like_bank else value})"

    group.add_argument(
        "--visual-tower",
        "--clip-architecture",
        action="append",
        metavar="T",
        help="an open_clip model, tiny, timm/NAME, torchvision/NAME (of videos), or MODULE:FACTORY; several times for "
        f"several features in one pass {usual('ViT-B-16-quickgelu')}",
    )
    group.add_argument(
        "--visual-weights",
        "--clip-weights",
        action="append",
        metavar="W",
        help=f"a published name, a file, or random; one for all towers, or one for each {usual('openai, published')}",
    )
    group.add_argument(
        "--audio-tower",
        action="append",
        metavar="T",
        help=f"vggish, clap, tiny, or MODULE:FACTORY; one for all, or one for each tower of pictures {usual('vggish')}",
    )
    group.add_argument(
        "--audio-weights",
        "--vggish-weights",
        action="append",
        metavar="W",
        help=f"published, a file, or random; of CLAP also a folder or OWNER/NAME at Hugging Face {usual('published')}",
    )
    group.add_argument("--audio-seconds", type=float, metavar="S", help=f"of CLAP's windows {usual(10)}")
    group.add_argument(
        "--vggish-pca", metavar="W", help=f"AudioSet's post-processing: published or a file {usual('without it')}"
    )
    group.add_argument("--sampling", choices=("centre", "mean"), help=f"of a snippet's 16 frames {usual('centre')}")
    group.add_argument(
        "--crops", type=int, choices=(1, 10), help=f"the network's own, or the ten of the releases {usual(1)}"
    )
    group.add_argument("--no-audio", action="store_true", help="extract no sound")
    group.add_argument(
        "--audio-window",
        choices=("end", "tick"),
        help=f"windows that end with their snippet, or torchvggish's grid joined by time {usual('end')}",
    )
    group.add_argument("--audio-track", type=int, metavar="N", help=f"counted from 0 {usual(0)}")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 (%(default)s)")
    group.add_argument(
        "--precision",
        choices=("auto", "float32", "float16", "bfloat16"),
        default="auto",
        help="auto: float16 beside float32 on a GPU, float32 on a CPU",
    )
    group.add_argument("--batch", type=positive, default=32, metavar="N", help="images a call (%(default)s)")


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


def given_settings(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Fields of `ExtractionSettings`, None where the options do not say: one set a tower of pictures.

    Raises UserError where the numbers of towers and weights do not fit together.
    """
    if args.audio_track is not None and args.audio_track < 0:
        raise UserError("--audio-track", f"{args.audio_track}", expected="0 for the first track, 1 for the second")
    count = max(len(args.visual_tower or ()), len(args.audio_tower or ()), 1)
    each = {
        "visual_tower": _for_each("--visual-tower", args.visual_tower, count),
        "visual_weights": _for_each("--visual-weights", args.visual_weights, count),
        "audio_tower": _for_each("--audio-tower", args.audio_tower, count),
        "audio_weights": _for_each("--audio-weights", args.audio_weights, count),
    }
    sound = ("audio_seconds", "vggish_pca", "audio_window", "audio_track")
    names = ("sampling", "crops", "device", "precision", "batch")
    shared = {name: getattr(args, name) for name in (*sound, *names)} | {"audio": not args.no_audio}
    return [{**{name: values[nth] for name, values in each.items()}, **shared} for nth in range(count)]


def extraction_settings(args: argparse.Namespace) -> list[Any]:
    """The `ExtractionSettings` of the options: one a tower of pictures, the default where they do not say."""
    from mmvad.extraction.settings import ExtractionSettings

    given = given_settings(args)
    return [ExtractionSettings(**{name: value for name, value in way.items() if value is not None}) for way in given]


def _for_each(option: str, values: Sequence[str] | None, count: int) -> list[str | None]:
    """One value a tower: those that are given, or the sole one for all; of a single tower the last one counts."""
    given = [None if value == USUAL else value for value in values or [USUAL]][-1 if count == 1 else 0 :]
    if len(given) not in (1, count):
        problem = f"{len(given)} given for {count} towers"
        raise UserError(option, problem, expected=f"one for all, or {count} ({USUAL} for the usual one)")
    return given * count if len(given) == 1 else given
