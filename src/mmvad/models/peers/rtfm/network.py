"""RTFM 2021: abnormal segments shall have large features; the segments of largest norm are trained."""

from __future__ import annotations

from torch import Tensor, nn

from mmvad.models.layout import choose_layout
from mmvad.models.model import Batch, Model, Scores
from mmvad.models.peers.magnitude import (
    MultiScaleTemporal,
    Selected,
    check_width,
    head,
    magnitude_losses,
    scored,
    select,
    with_total,
    xavier,
)
from mmvad.models.peers.rtfm.settings import RtfmSettings
from mmvad.models.setting import Setting


class Rtfm(Model[Selected]):
    """f = Drop(MTN(x)), s = sigmoid(head(f)). All widths follow the input's: d, d/4, d/16 in the head."""

    one_graph = True

    def __init__(self, width: int, settings: RtfmSettings) -> None:
        super().__init__()
        self.settings = settings
        self.temporal, self.dropout = MultiScaleTemporal(width), nn.Dropout(settings.dropout)
        self.head = head(width, settings.dropout)
        xavier(self)

    def forward(self, batch: Batch) -> Selected:
        layout = choose_layout(batch.mask)
        rows = layout.dropout(self.temporal(layout.rows(batch.visual), layout), self.dropout)
        hidden = self.settings.dropout if self.training else 0.0
        return select(layout.padded(rows), scored(self.head, rows, layout), batch, hidden)

    def losses(self, output: Selected, batch: Batch) -> dict[str, Tensor]:
        return with_total(magnitude_losses(output, batch, self.settings), self.settings)

    def scores(self, output: Selected) -> Scores:
        return Scores(output.scores.float(), None)


def build(setting: Setting, settings: RtfmSettings) -> Rtfm:
    """RTFM for a bank's pictures. Raises UserError where their width is no multiple of 16."""
    check_width(setting.visual_width, 16)
    return Rtfm(setting.visual_width, settings)
