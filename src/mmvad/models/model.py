"""What a model of the harness is: from a batch to an output, from that to losses and to per-segment scores.

The dual-stream network and every peer are one of these; training, testing, sweeps and reports know no more of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn


class Batch(NamedTuple):
    """What a model is fed. Padding rows are zero.

    Attributes:
        visual: [B, L, d_v].
        audio: [B, L, d_a], or None where the modalities have no A.
        has_audio: bool [B], False for a video without sound; None with `audio`.
        mask: bool [B, L], True on valid segments.
        labels: [B, C] of 0 and 1, the normal class first.
        crops: rows that stand together as crops of one video (`data.crops: together`): rows 0 to crops - 1 are the
            first video's; their mask and labels are equal.
    """

    visual: Tensor
    audio: Tensor | None
    has_audio: Tensor | None
    mask: Tensor
    labels: Tensor
    crops: int = 1

    @property
    def abnormal(self) -> Tensor:
        """bool [B]: the video-level label y."""
        return self.labels[:, 1:].sum(dim=1) > 0


class Scores(NamedTuple):
    """What is scored: float32, whatever precision the model ran in; None for a branch that was not trained.

    Attributes:
        coarse: [B, L] in 0..1, how abnormal a segment is.
        classes: [B, L, C], probabilities over classes, the normal one first.
    """

    coarse: Tensor | None
    classes: Tensor | None


Output = TypeVar("Output")


class Model(nn.Module, Generic[Output]):
    """A network with its losses and scores. Padding must not change what stands on valid segments.

    A class outside of this package is trained as `model.name: my_package.my_module:MyModel`. It is called with a
    `mmvad.models.setting.Setting` and its settings, and may have two more attributes:

        class MyModel(Model[Tensor]):
            facts = Method(title="My model", modalities=("v",))  # mmvad.models.method; by default takes all modalities

            class Settings(Section):  # mmvad.sections; without it `settings` is None
                width: Count = 64  # the configuration's key `method.width`

            def __init__(self, setting: Setting, settings: Settings) -> None: ...

    Attributes:
        fitted: names of buffers that `fit_offline` fills, whose shape the data decide.
        stages: how often the learning rate's schedule is gone through: once for each network that is trained after
            another. Every stage has as many epochs.
        one_graph: whether a step on CUDA, batch to losses, has fixed shapes and waits for nothing, so that it can be
            compiled as one graph. What changes between epochs is a buffer then: a number would be compiled anew.
    """

    fitted: tuple[str, ...] = ()
    stages: int = 1
    one_graph: bool = False

    def __call__(self, batch: Batch) -> Output:
        return super().__call__(batch)

    def forward(self, batch: Batch) -> Output:
        """What `losses` and `scores` work on. May run under autocast; never looks at labels outside of training."""
        raise NotImplementedError

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """Every loss by name, unweighted, and `total`, which is what training lowers. Runs outside autocast."""
        raise NotImplementedError

    def scores(self, output: Output) -> Scores:
        """Scores of every segment; what stands on padding means nothing."""
        raise NotImplementedError

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """What the optimiser gets: by default all that is trainable, at one rate."""
        return [{"params": [p for p in self.parameters() if p.requires_grad], "lr": learning_rate}]

    def fit_offline(self, batches: Iterable[Batch]) -> None:
        """Called once before training, with every training sample in order: for what is not learned by gradients."""

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Called before each epoch (from 0): for loss weights and stages that follow the epochs."""

    def end_epoch(self, epoch: int, epochs: int) -> None:
        """Called after each epoch's last step: for what is copied between networks."""


def in_float32(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """What a layer gives in single precision, whatever autocast says: for scores, of which bfloat16 makes ties."""
    with torch.autocast(x.device.type, enabled=False):
        return layer(x.float())


def trainable_parameters(network: nn.Module) -> int:
    """How many numbers training changes."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
