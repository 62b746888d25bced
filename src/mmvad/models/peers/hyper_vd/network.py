"""HyperVD (Peng et al. 2023): picture and sound as points of a hyperboloid, joined along two hyperbolic graphs."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.losses.pooling import top_mean
from mmvad.models.model import Batch, Model, Scores
from mmvad.models.peers.hyper_vd.lorentz import LorentzClassifier, LorentzGraph, lifted, similarity
from mmvad.models.peers.hyper_vd.settings import HyperVdSettings
from mmvad.models.setting import Setting
from mmvad.models.temporal import distance_graph

WIDE, WIDTH, BRANCH = 512, 128, 32


class HyperVd(Model[Tensor]):
    """Logits [B, L]. The picture is narrowed to 128 and joined with the sound's raw features (detour fusion)."""

    one_graph = True

    def __init__(self, width: int, audio_width: int, settings: HyperVdSettings) -> None:
        super().__init__()
        dropout, joined = settings.dropout, WIDTH + audio_width + 1
        layers: list[nn.Module] = []
        for before, behind in ((width, WIDE), (WIDE, WIDTH)):
            layers += [nn.Linear(before, behind), nn.LeakyReLU(), nn.Dropout(dropout)]
        self.narrow = nn.Sequential(*layers)
        self.similarity, self.distance = (LorentzGraph(joined, BRANCH, dropout) for _ in range(2))
        self.classify = LorentzClassifier(2 * BRANCH)

    def forward(self, batch: Batch) -> Tensor:
        assert batch.audio is not None
        picture = self.narrow(batch.visual)
        with torch.autocast(picture.device.type, enabled=False):
            exact = lifted(torch.cat([picture.double(), batch.audio.double()], dim=-1))
            points = exact.float()
            near = self.similarity(points, similarity(exact, batch.mask))
            soon = self.distance(points, distance_graph(batch.mask))
            return self.classify(torch.cat([near, soon], dim=-1))

    def losses(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """bce(sigmoid(TK(z)), y)."""
        loss = F.binary_cross_entropy_with_logits(top_mean(output.float(), batch.mask), batch.abnormal.float())
        return {"bag": loss, "total": loss}

    def scores(self, output: Tensor) -> Scores:
        return Scores(output.float().sigmoid(), None)


def build(setting: Setting, settings: HyperVdSettings) -> HyperVd:
    """HyperVD on picture and sound."""
    assert setting.audio_width is not None
    return HyperVd(setting.visual_width, setting.audio_width, settings)
