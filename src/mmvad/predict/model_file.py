"""`model.json` of an exported model: all that its network does not say of how videos are scored. No torch here.

model.onnx    the network          model.json    this          card.md    the run's card, where it has one
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from mmvad.data.look_ahead import Span
from mmvad.errors import UserError
from mmvad.releases.arrays.normalise import Normalise
from mmvad.sections import Count, Section

FORMAT: Literal[1] = 1
MODEL, NETWORK, CARD = "model.json", "model.onnx", "card.md"
EXPECTED = "a folder that `mmvad export` wrote: model.json, model.onnx, card.md"
AGAIN = "export the run again: mmvad export RUN --out DIR"


class File(Section):
    file: str
    sha256: str


class NetworkFile(File):
    """The network: from one chunk's rows to their scores.

    inputs, outputs: name -> shape; `n` is the number of rows, which may be any up to the longest chunk.
    """

    opset: int
    inputs: dict[str, tuple[int | str, ...]]
    outputs: dict[str, tuple[int | str, ...]]


class Run(Section):
    """Which run it is; `select` says how its checkpoint was chosen."""

    name: str
    identity: str
    checkpoint: str
    select: str
    model: str
    modalities: str
    unfinished: str | None = None


class Rows(Section):
    """What a row of features is. Its times follow from the benchmark: `row`, by default 16 frames."""

    visual_width: Count
    audio_width: Annotated[int, Field(ge=0)]
    normalise: Normalise
    extraction: dict[str, Any] | None
    """how the features were made that it was trained on: towers, weights, preprocessing; null where nothing says so"""


class Chunks(Section):
    """How a video is cut for the network, and what is done to its scores."""

    length: Count | None
    """most rows of a chunk; null: the whole video"""
    overlap: Annotated[int, Field(ge=0)]
    look_ahead: Annotated[int, Field(ge=-1)]
    segments: Count | None
    """a chunk is brought to so many segments before it is fed; null: its rows are"""
    how: Literal["fold", "bins", "pick", "interpolate"]
    crop: int
    all_crops: bool
    smoothing: Literal["none", "next_7", "blocks_8"]

    @property
    def span(self) -> Span:
        return Span(self.length, self.overlap, self.look_ahead)


class Texts(Section):
    """The class texts that the network was given; `inside`: it has the text tower, since they depend on the video."""

    prompts: tuple[str, ...]
    architecture: str
    weights: str
    sha256: str
    inside: bool


class Checked(Section):
    """The network against torch's, when it was exported: random rows of these lengths, the largest difference."""

    lengths: tuple[int, ...]
    largest_difference: float


class ModelFile(Section):
    format: Literal[1]
    made_by: str
    run: Run
    benchmark: dict[str, Any]
    """its facts, as a benchmark's file has them: classes (key: prompt, the normal one first), frames_per_second, row"""
    rows: Rows
    chunks: Chunks
    texts: Texts | None
    thresholds: dict[str, float]
    """by score, those that were chosen on held-out training videos; empty without such"""
    network: NetworkFile
    card: File | None
    checked: Checked


def read_model_file(folder: Path) -> ModelFile:
    """What an exported model's folder says. Raises UserError for what is none, damaged, or of a later format."""
    path = folder / MODEL
    if not path.is_file():
        raise _no_model(folder)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(path, f"cannot be read as JSON: {error}", fix=AGAIN) from None
    if isinstance(content, dict) and content.get("format", FORMAT) != FORMAT:
        fix = "install the version of mmvad that wrote it, or export the run again"
        raise UserError(path, f"format {content['format']!r}", expected=f"format {FORMAT}", fix=fix)
    try:
        found = ModelFile.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise UserError(path, f"{key}: {first['msg']}", expected="the file as it was written", fix=AGAIN) from None
    for each in (found.network, found.card):
        if each is not None:
            check_file(folder / each.file, each.sha256)
    return found


def _no_model(folder: Path) -> UserError:
    """Says what a path is instead of a model's folder: nothing, a file in one, a run."""
    problem = f"is no exported model ({MODEL} is missing)" if folder.exists() else "there is no such folder"
    near = str(folder.parent) if folder.is_file() and (folder.parent / MODEL).is_file() else None
    fix = "export a run: mmvad export RUN --out DIR"
    if (folder / "config.yaml").is_file():
        fix = f"it is a run: --checkpoint {folder}, or mmvad export {folder} --out DIR"
    return UserError(folder, problem, expected=EXPECTED, nearest=near, fix=None if near else fix)


def check_file(path: Path, sha256: str) -> None:
    """Raises UserError where a file is missing or is not the one that was written."""
    if not path.is_file():
        raise UserError(path, "no such file", expected=EXPECTED, fix=AGAIN)
    found = hash_of(path)
    if found != sha256:
        raise UserError(
            path, f"is not the file that was exported (sha256 {found[:12]})", expected=sha256[:12], fix=AGAIN
        )


def hash_of(path: Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
