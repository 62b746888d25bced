"""MAVD (Jin, Zhu & Sun 2025): first make the sound's features mean what the picture's do, then join them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.layout import Layout, choose_layout
from mmvad.models.losses.mil import binary_cross_entropy
from mmvad.models.losses.pooling import mean_rows, mean_where, rows_at, top_mean, top_positions
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.avadclip.network import CausalBlock
from mmvad.models.peers.mavd.settings import MavdSettings
from mmvad.models.peers.ur_dmu.network import Block, encoded, near_graphs
from mmvad.models.setting import Setting

PICTURE, SOUND, JOINED, LAST = 128, 32, 64, 32
"""Widths of the features of picture, sound and both; of every scorer's last layer."""
DILATIONS = (1, 2, 4)
SURE, MARGIN = 1e-6, 5.0
OWN_BAG = 0.01
"""Of the aligned sound's bag loss, within the alignment."""


def scorer(width: int, hidden: int) -> nn.Sequential:
    """Lin(d > hidden), ReLU, Lin(hidden > 32), Lin(32 > 1)."""
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, LAST), nn.Linear(LAST, 1))


def chain(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers of these widths, ReLU behind each."""
    layers = [(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(widths)]
    return nn.Sequential(*(part for pair in layers for part in pair))


class Unimodal(nn.Module):
    """Rows of one modality, and logits of such rows: a convolution over 3 segments, two blocks of UR-DMU's kind."""

    def __init__(self, width: int, features: int, hidden: int) -> None:
        super().__init__()
        self.narrow = nn.Conv1d(width, features, 3, padding=1)
        self.blocks = nn.ModuleList(Block(features, 0.0, inner=2 * features) for _ in range(2))
        self.score = scorer(features, hidden)

    def forward(self, x: Tensor, near: Sequence[Tensor], layout: Layout) -> Tensor:
        """Rows [R, width] -> [R, features]."""
        return encoded(self.narrow, self.blocks, x, near, layout)

    def logits(self, rows: Tensor) -> Tensor:
        """[R, features] -> [R]."""
        return in_float32(self.score, rows).squeeze(-1)


class MavdOutput(NamedTuple):
    """Rows [B, L, .] of the picture, of the aligned sound and of both; logits [B, L] of these, and of the sound."""

    picture: Tensor
    aligned: Tensor
    joined: Tensor
    picture_logits: Tensor
    sound_logits: Tensor
    aligned_logits: Tensor
    joined_logits: Tensor


class Mavd(Model[MavdOutput]):
    """Networks of the modalities, a projection of the sound, and a joint network, which is scored.

    Not one graph: features are matched one after another.
    """

    def __init__(self, width: int, audio_width: int, settings: MavdSettings) -> None:
        super().__init__()
        self.settings = settings
        self.picture = Unimodal(width, PICTURE, 128)
        self.sound = Unimodal(audio_width, SOUND, 64)
        self.project = chain([SOUND] * 4)
        both = PICTURE + SOUND
        self.join = chain([both, both // 2, JOINED])
        self.causal = nn.Sequential(*(CausalBlock(JOINED, dilation, 0.0) for dilation in DILATIONS))
        self.score = scorer(JOINED, 128)

    def forward(self, batch: Batch) -> MavdOutput:
        """What the modalities' networks learn comes from their own bags: their rows go on without gradient."""
        assert batch.audio is not None
        layout = choose_layout(batch.mask)
        near = near_graphs(layout, self.settings.distance)
        picture = self.picture(layout.rows(batch.visual), near, layout)
        sound = self.sound(layout.rows(batch.audio), near, layout)
        aligned = self.project(sound.detach())
        joined = self.join(torch.cat([picture.detach(), aligned], dim=-1))
        for block in self.causal:
            joined = block(joined, layout)
        rows = (
            *(picture, aligned, joined),
            self.picture.logits(picture),
            self.sound.logits(sound),
            self.sound.logits(aligned),
            in_float32(self.score, joined).squeeze(-1),
        )
        return MavdOutput(*map(layout.padded, rows))

    def losses(self, output: MavdOutput, batch: Batch) -> dict[str, Tensor]:
        """`picture` + `sound` + 10 (`alike` + `agree` + 0.01 `aligned`) + 10 `joined` + 0.001 `triplet`."""
        truth, mask = batch.abnormal.float(), batch.mask
        bags = {
            name: binary_cross_entropy(top_mean(logits.float().sigmoid(), mask), truth)
            for name, logits in zip(("picture", "sound", "aligned", "joined"), output[3:], strict=True)
        }
        teacher, learner = (z.float().sigmoid() for z in (output.picture_logits.detach(), output.aligned_logits))
        found = bags | {
            "alike": unlikeness(output.picture.detach().float(), output.aligned.float(), mask, self.settings.matching),
            "agree": mean_where(agreement(teacher, learner), mask),
            "triplet": triplet(output.joined.float(), output.joined_logits, batch),
        }
        return found | {"total": self.total(found)}

    def total(self, found: dict[str, Tensor]) -> Tensor:
        alignment = found["alike"] + found["agree"] + OWN_BAG * found["aligned"]
        settings = self.settings
        weighted = settings.alignment_weight * alignment + settings.fusion_weight * found["joined"]
        return found["picture"] + found["sound"] + weighted + settings.triplet_weight * found["triplet"]

    def scores(self, output: MavdOutput) -> Scores:
        return Scores(output.joined_logits.float().sigmoid(), None)


def agreement(teacher: Tensor, learner: Tensor) -> Tensor:
    """-(p log q + (1 - p) log(1 - q)), q the teacher's scores, p the learner's, as in public code. [B, L] -> same."""
    q, p = (scores.clamp(SURE, 1 - SURE) for scores in (teacher, learner))
    return -(p * q.log() + (1 - p) * (1 - q).log())


def unlikeness(picture: Tensor, sound: Tensor, mask: Tensor, matching: str) -> Tensor:
    """Mean over videos and their segments of 1 - cos(V_t, A_t), A the sound's features matched with the picture's.

    Args: picture [B, L, 128]; sound [B, L, 32]; mask bool [B, L].
    """
    chosen = matched(picture, sound.detach(), mask)
    if matching == "placed":
        wide = sound @ F.one_hot(chosen, picture.shape[-1]).to(sound.dtype)
    else:
        wide = F.pad(sound, (0, picture.shape[-1] - sound.shape[-1]))[..., completed(chosen, picture.shape[-1])]
    apart = (1 - F.cosine_similarity(picture, wide, dim=-1)) * mask
    return (apart.sum(dim=1) / mask.sum(dim=1)).mean()


@torch.no_grad()
def matched(picture: Tensor, sound: Tensor, mask: Tensor) -> Tensor:
    """For each feature of the sound, in their order, the picture's feature most like it that is not taken: int64 [32].

    Alike by the cosine of the two features over all valid segments of the batch.
    """
    valid = mask.unsqueeze(-1)
    own, other = (F.normalize((x * valid).flatten(0, 1), dim=0) for x in (sound, picture))
    cosine = own.T @ other
    taken, chosen = torch.zeros_like(cosine[0]), []
    for row in cosine:
        best = (row - 4 * taken).argmax()
        taken = taken + F.one_hot(best, len(row))
        chosen.append(best)
    return torch.stack(chosen)


def completed(chosen: Tensor, width: int) -> Tensor:
    """The permutation of all features that begins with the chosen ones; the others follow in their order."""
    taken = F.one_hot(chosen, width).sum(dim=0)
    return torch.cat([chosen, taken.argsort(stable=True)[: width - len(chosen)]])


def triplet(rows: Tensor, logits: Tensor, batch: Batch) -> Tensor:
    """max(0, |n - b| - |n - a| + 5) of unit vectors, each a mean over videos; 0 where either kind is missing.

    n is of all segments of normal ones, b and a of the k lowest and the k highest scoring ones of abnormal ones.

    Args: rows [B, L, d]; logits [B, L].
    """
    abnormal, scores = batch.abnormal, logits.float().sigmoid()
    everything = mean_rows(rows, batch.mask)
    ends = []
    for lowest in (True, False):
        positions, taken = top_positions(scores, batch.mask, lowest=lowest)
        ends.append(mean_rows(rows_at(rows, positions), taken))
    kinds = (~abnormal, abnormal, abnormal)
    normal, quiet, loud = (
        F.normalize((x * kind[:, None]).sum(dim=0) / kind.sum().clamp(min=1), dim=-1)
        for x, kind in zip((everything, *ends), kinds, strict=True)
    )
    loss = F.triplet_margin_loss(normal, quiet, loud, margin=MARGIN)
    return torch.where(abnormal.any() & (~abnormal).any(), loss, torch.zeros_like(loss))


def build(setting: Setting, settings: MavdSettings) -> Mavd:
    """MAVD on picture and sound."""
    assert setting.audio_width is not None
    return Mavd(setting.visual_width, setting.audio_width, settings)
