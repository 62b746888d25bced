"""3C-Net (Narayan et al. 2019) without its counts: class activations of two streams, drawn to centres of the classes.

The streams are picture and sound where there is sound (published: colour and motion), else one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.class_activations import class_loss, over_time
from mmvad.models.peers.magnitude import with_total, xavier
from mmvad.models.peers.three_c_net.settings import ThreeCNetSettings
from mmvad.models.setting import Setting

SINGLE_UNTIL = 0.1
"""Share of the epochs in which centres learn from videos of a single class alone: 5,000 of 50,000 steps."""
SMALLEST = 1e-12
"""What weights are divided by at least."""


class Stream(nn.Module):
    """x = Drop(ReLU(Lin ReLU(Lin x))), logits = Lin x, and a centre a class. [B, L, d] -> [B, L, d], [B, L, C]."""

    centres: Tensor

    def __init__(self, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        layers = [nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout)]
        self.hidden, self.classify = nn.Sequential(*layers), nn.Linear(width, classes)
        self.register_buffer("centres", torch.randn(classes, width))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.hidden(x)
        return x, in_float32(self.classify, x)


class ThreeCOutput(NamedTuple):
    """Of every stream x [B, L, d] and its logits [B, L, C]; the joined ones [B, L, C]."""

    features: tuple[Tensor, ...]
    logits: tuple[Tensor, ...]
    joined: Tensor


class ThreeCNet(Model[ThreeCOutput]):
    """The joined logits are the streams' times a learned factor a class.

    `several` is 1 once videos of several classes count in the centre loss.
    """

    one_graph = True
    several: Tensor

    def __init__(self, widths: tuple[int, ...], classes: int, settings: ThreeCNetSettings) -> None:
        super().__init__()
        self.settings = settings
        self.streams = nn.ModuleList(Stream(width, classes, settings.dropout) for width in widths)
        self.factors = nn.Parameter(torch.ones(len(widths), classes))
        self.register_buffer("several", torch.ones(()), persistent=False)
        xavier(self)

    def start_epoch(self, epoch: int, epochs: int) -> None:
        self.several.fill_(float(epoch >= SINGLE_UNTIL * epochs))

    def forward(self, batch: Batch) -> ThreeCOutput:
        inputs = (batch.visual,) if batch.audio is None else (batch.visual, batch.audio)
        features, logits = zip(*(stream(x) for stream, x in zip(self.streams, inputs, strict=True)), strict=True)
        joined = sum((each * factor for each, factor in zip(logits, self.factors, strict=True)), torch.zeros(()))
        return ThreeCOutput(features, logits, joined)

    def losses(self, output: ThreeCOutput, batch: Batch) -> dict[str, Tensor]:
        """`class`, the class losses of the streams and of the joined logits added up, + 1e-3 `centre`.

        In training the centres take their step here, as statistics do.
        """
        each = [class_loss(logits, batch.mask, batch.labels) for logits in (*output.logits, output.joined)]
        own = cast(Iterable[Stream], self.streams)
        streams = zip(own, output.features, output.logits, strict=True)
        distances = [self._centre_loss(*stream, batch) for stream in streams]
        return with_total({"class": torch.stack(each).sum(), "centre": torch.stack(distances).sum()}, self.settings)

    def _centre_loss(self, stream: Stream, features: Tensor, logits: Tensor, batch: Batch) -> Tensor:
        """The stream's centre loss; in training its centres go on, against its gradient."""
        away = class_features(features.float(), logits, batch.mask) - stream.centres
        counted = self._counted(batch.labels)
        scale = counted * self._scale(batch.labels) / counted.sum().clamp(min=1).square()
        if self.training:
            with torch.no_grad():
                stream.centres.add_(self.settings.centre_rate * 2 * (away * scale.unsqueeze(-1)).sum(dim=0))
        return (away.square().sum(dim=-1) * scale).sum()

    def _counted(self, labels: Tensor) -> Tensor:
        """1 for a video's own classes, while only single ones count 0 for a video of several: [B, C]."""
        single = labels.sum(dim=1, keepdim=True) == 1
        return labels * torch.where(single, 1.0, self.several)

    def _scale(self, labels: Tensor) -> Tensor:
        """What a distance to each class's centre counts: [C]."""
        if self.settings.centre_scale == "index":
            return torch.arange(labels.shape[1], device=labels.device, dtype=torch.float32)
        return labels.new_ones(labels.shape[1])

    def scores(self, output: ThreeCOutput) -> Scores:
        return Scores(None, output.joined.softmax(dim=-1))


def class_features(x: Tensor, logits: Tensor, mask: Tensor) -> Tensor:
    """Each class's mean segment, weighed by its softmax over time, of which what is below the mean counts nothing.

    x [B, L, d], logits [B, L, C], bool [B, L] -> [B, C, d].
    """
    weights = over_time(logits, mask)
    mean = weights.sum(dim=1, keepdim=True) / mask.sum(dim=1)[:, None, None]
    kept = weights * (weights >= mean).detach()
    return torch.einsum("blc,bld->bcd", kept, x) / kept.sum(dim=1).clamp(min=SMALLEST).unsqueeze(-1)


def build(setting: Setting, settings: ThreeCNetSettings) -> ThreeCNet:
    """3C-Net on the picture, or on picture and sound as its two streams."""
    widths = (setting.visual_width,) + ((setting.audio_width,) if setting.audio_width else ())
    return ThreeCNet(widths, len(setting.prompts), settings)
