"""AVVD (Wu et al. 2022), reconstructed: HL-Net's network with a second head that says what happens.

Neither paper nor code says what the fine head is: here one linear layer on the joined graph branches, taught by the
class cross-entropy. Trunk, coarse losses and training are HL-Net's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from mmvad.models.layout import choose_layout
from mmvad.models.losses.mil import fine_loss
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.avvd.settings import AvvdSettings
from mmvad.models.peers.hl_net.network import (
    BRANCH,
    HlOutput,
    HlTrunk,
    hl_losses,
    hl_parameter_groups,
    hl_scores,
    hl_total,
    xavier_weights,
)
from mmvad.models.setting import Setting


class AvvdOutput(NamedTuple):
    """HL-Net's logits, and those of the classes [B, L, C]."""

    coarse: HlOutput
    classes: Tensor


class Avvd(Model[AvvdOutput]):
    """The network; width is that of picture and sound together."""

    one_graph = True

    def __init__(self, width: int, classes: int, settings: AvvdSettings) -> None:
        super().__init__()
        self.settings = settings
        self.trunk, self.head = HlTrunk(width, settings.dropout), nn.Linear(3 * BRANCH, 1)
        self.classify = nn.Linear(3 * BRANCH, classes)
        self.apply(xavier_weights)

    def forward(self, batch: Batch) -> AvvdOutput:
        layout = choose_layout(batch.mask)
        joined, online = self.trunk(batch, layout)
        coarse = HlOutput(layout.padded(in_float32(self.head, joined).squeeze(-1)), layout.padded(online))
        return AvvdOutput(coarse, layout.padded(in_float32(self.classify, joined)))

    def losses(self, output: AvvdOutput, batch: Batch) -> dict[str, Tensor]:
        """HL-Net's, and `fine`, the cross-entropy of the classes' top-k means."""
        losses = hl_losses(output.coarse, batch)
        fine = fine_loss(output.classes.float(), batch.mask, batch.labels, "cross_entropy", "class")
        total = hl_total(losses, self.settings) + self.settings.fine_weight * fine
        return losses | {"fine": fine, "total": total}

    def scores(self, output: AvvdOutput) -> Scores:
        return Scores(hl_scores(output.coarse, self.settings), output.classes.float().softmax(dim=-1))

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        return hl_parameter_groups(self, self.trunk, learning_rate)


def build(setting: Setting, settings: AvvdSettings) -> Avvd:
    """AVVD on the picture, or on picture and sound."""
    return Avvd(setting.visual_width + (setting.audio_width or 0), len(setting.prompts), settings)
