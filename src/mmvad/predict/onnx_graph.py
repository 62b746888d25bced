"""A model of the harness as an ONNX graph: one chunk's rows in, their scores out, by torch.export.

What does not depend on the rows, such as class texts without a context prompt, is computed here and stands in the graph
as numbers; the text tower stays inside only where its sentences depend on the video.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mmvad.errors import UserError
from mmvad.models.model import Batch, Model
from mmvad.predict.onnx_operators import OPERATORS

OPSET = 20
BRANCHES = ("coarse", "classes")
TRACED = 13
"""Rows of the example that is traced: no multiple of a usual window, of which torch would otherwise ask it."""


class Graph(NamedTuple):
    """An ONNX file's bytes.

    Attributes:
        inputs, outputs: shapes by name; `n` is the number of rows.
        text_tower: whether a text tower's weights are inside.
    """

    content: bytes
    inputs: dict[str, tuple[int | str, ...]]
    outputs: dict[str, tuple[int | str, ...]]
    text_tower: bool


class ChunkScores(nn.Module):
    """A model's scores of one chunk: [n, d_v], [n, d_a] and whether there is sound, bool [1] -> [n], [n, C]."""

    def __init__(self, model: Model[Any], classes: int) -> None:
        super().__init__()
        self.model, self.classes = model, classes

    def forward(self, visual: Tensor, audio: Tensor | None = None, has_audio: Tensor | None = None) -> list[Tensor]:
        visual = visual.unsqueeze(0)
        audio = None if audio is None else audio.unsqueeze(0)
        mask = torch.ones_like(visual[..., 0], dtype=torch.bool)
        batch = Batch(visual, audio, has_audio, mask, torch.zeros(1, self.classes))
        return [branch[0] for branch in self.model.scores(self.model(batch)) if branch is not None]


def example(rows: int, widths: tuple[int, int | None], seed: int = 0, *, sound: bool = True) -> dict[str, Tensor]:
    """Random inputs of so many rows, by name; widths of picture and sound, None where the model takes no sound."""
    draw = torch.Generator().manual_seed(seed)
    found = {"visual": torch.randn(rows, widths[0], generator=draw)}
    if widths[1] is not None:
        audio = torch.randn(rows, widths[1], generator=draw)
        found |= {"audio": audio if sound else torch.zeros_like(audio), "has_audio": torch.tensor([sound])}
    return found


def scored_branches(model: Model[Any], inputs: dict[str, Tensor]) -> tuple[str, ...]:
    """Which of the two branches a model scores."""
    visual = inputs["visual"].unsqueeze(0)
    audio = inputs["audio"].unsqueeze(0) if "audio" in inputs else None
    mask = torch.ones(visual.shape[:2], dtype=torch.bool)
    with torch.no_grad():
        scores = model.scores(model(Batch(visual, audio, inputs.get("has_audio"), mask, torch.zeros(1, 2))))
    return tuple(name for name, branch in zip(BRANCHES, scores, strict=True) if branch is not None)


def export_graph(model: Model[Any], widths: tuple[int, int | None], classes: int, longest: int | None) -> Graph:
    """The model as ONNX, for chunks of any number of rows up to `longest` (None: any).

    Raises UserError, with torch's reason, for a model that has no such graph.
    """
    inputs = example(min(TRACED, longest or TRACED), widths)
    names = scored_branches(model, inputs)
    shapes = {name: None if name == "has_audio" else {0: torch.export.Dim.DYNAMIC} for name in inputs}
    with _quietly(), tempfile.TemporaryDirectory() as folder:
        try:
            program: Any = torch.onnx.export(
                ChunkScores(model, classes).eval(),
                kwargs=inputs,
                dynamo=True,
                dynamic_shapes=shapes,
                input_names=list(inputs),
                output_names=list(names),
                opset_version=OPSET,
                verbose=False,
                custom_translation_table=dict(OPERATORS),
            )
            program.save(Path(folder) / "whole.onnx")
            content = _folded(Path(folder) / "whole.onnx")
        except Exception as error:  # of torch, onnxscript and onnxruntime, each with many of its own
            raise UserError(
                type(model).__name__,
                f"has no ONNX graph: {_reason(error)}",
                expected="operators that torch.onnx.export knows, and shapes that no value decides",
                fix="predict with the run itself: mmvad predict --checkpoint RUN",
            ) from error
    shape: dict[str, tuple[int | str, ...]] = {"coarse": ("n",), "classes": ("n", classes)}
    fed: dict[str, tuple[int | str, ...]] = {
        name: (1,) if name == "has_audio" else ("n", x.shape[1]) for name, x in inputs.items()
    }
    return Graph(content, fed, {name: shape[name] for name in names}, _has_tower(content))


def _folded(path: Path) -> bytes:
    """The file's bytes after onnxruntime has computed what depends on no input; in standard operators all the same."""
    import onnxruntime

    options, out = onnxruntime.SessionOptions(), path.with_name("folded.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(out)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return out.read_bytes()


def _has_tower(content: bytes) -> bool:
    import onnx

    return any(".tower." in weight.name for weight in onnx.load_from_string(content).graph.initializer)


def _reason(error: BaseException) -> str:
    """The first line of what an error goes back to."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the hints of torch and onnxscript to their own developers."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
