"""CMA-LA (Pu & Wu 2022): sound asks, the picture answers, near segments count more; a causal scorer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.losses.mil import binary_cross_entropy
from mmvad.models.losses.pooling import top_mean
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.cma_la.settings import CmaLaSettings
from mmvad.models.peers.hl_net.network import xavier_weights
from mmvad.models.setting import Setting

WIDTH, WIDE = 128, 512
REACH = 7
"""Segments that the scorer sees: one and the six before it."""
START = 1e-6
"""Of the distance kernel's two numbers. Public code leaves them uninitialised; at exactly 0 |.| has no gradient."""


class AudioGuidedAttention(nn.Module):
    """x + W_o softmax(q(y) k(x)^T / sqrt(128) + D) v(x), D_ij = exp(-|w (i - j)^2 + b|): picture x, sound y."""

    def __init__(self, width: int, audio_width: int) -> None:
        super().__init__()
        self.query = nn.Linear(audio_width, WIDTH)
        self.key, self.value = nn.Linear(width, WIDTH), nn.Linear(width, WIDTH)
        self.output = nn.Linear(WIDTH, width)
        self.distance_weight, self.distance_bias = (nn.Parameter(torch.full((1,), START)) for _ in range(2))

    def forward(self, visual: Tensor, audio: Tensor, mask: Tensor) -> Tensor:
        """[B, L, d_v], [B, L, d_a], bool [B, L] -> [B, L, d_v]."""
        scores = self.query(audio) @ self.key(visual).transpose(1, 2) / math.sqrt(WIDTH)
        scores = scores.float() + self.kernel(mask.shape[1])
        weights = scores.masked_fill(~mask.unsqueeze(1), float("-inf")).softmax(dim=-1)
        return visual + self.output(weights.to(visual.dtype) @ self.value(visual))

    def kernel(self, length: int) -> Tensor:
        """D, float32 [L, L]."""
        position = torch.arange(length, device=self.distance_weight.device, dtype=torch.float32)
        apart = (position[:, None] - position[None, :]).square()
        return torch.exp(-(self.distance_weight.float() * apart + self.distance_bias.float()).abs())


class CmaLa(Model[Tensor]):
    """Logits [B, L]: the attention, LN, a feed-forward part d > 512 > 128, and a causal convolution over 7 segments."""

    one_graph = True

    def __init__(self, width: int, audio_width: int, settings: CmaLaSettings) -> None:
        super().__init__()
        self.settings = settings
        self.attention = AudioGuidedAttention(width, audio_width)
        self.norm = nn.LayerNorm(width)
        self.ffn = nn.Sequential(
            nn.Linear(width, WIDE),
            nn.GELU(),
            nn.Dropout(settings.dropout),
            nn.Linear(WIDE, WIDTH),
            nn.Dropout(settings.dropout),
        )
        self.causal = nn.Conv1d(WIDTH, 1, REACH)
        self.apply(xavier_weights)

    def forward(self, batch: Batch) -> Tensor:
        assert batch.audio is not None
        hidden = self.ffn(self.norm(self.attention(batch.visual, batch.audio, batch.mask)))
        return in_float32(self.causal, F.pad(hidden.transpose(1, 2), (REACH - 1, 0))).squeeze(1)

    def losses(self, output: Tensor, batch: Batch) -> dict[str, Tensor]:
        """bce(sigmoid(TK(s)), y), s = sigmoid(z): with two sigmoids a bag's probability lies in 0.5 to 0.73."""
        bag = top_mean(output.float().sigmoid(), batch.mask)
        bag = bag.sigmoid() if self.settings.sigmoids == "two" else bag
        loss = binary_cross_entropy(bag, batch.abnormal.float())
        return {"bag": loss, "total": loss}

    def scores(self, output: Tensor) -> Scores:
        return Scores(output.float().sigmoid(), None)


def build(setting: Setting, settings: CmaLaSettings) -> CmaLa:
    """CMA-LA on picture and sound."""
    assert setting.audio_width is not None
    return CmaLa(setting.visual_width, setting.audio_width, settings)
