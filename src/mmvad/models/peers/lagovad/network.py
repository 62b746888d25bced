"""LaGoVAD (Liu et al. 2026) without its data: a video and the texts that say what is abnormal read each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.dual_stream import cosines
from mmvad.models.losses.pooling import mean_where
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.lagovad.settings import LaGoVadSettings
from mmvad.models.peers.lagovad.synthesis import Synthesised, synthesised
from mmvad.models.peers.lagovad.temporal import TemporalEncoder
from mmvad.models.peers.magnitude import with_total
from mmvad.models.peers.vadclip.network import aligned
from mmvad.models.prompts import sentence_layout
from mmvad.models.setting import Setting
from mmvad.models.text_encoder import TextEncoder, tokenize

HEADS, KERNEL = 8, 9
TEMPERATURE = 0.2
"""Of the cosines, before training."""
SHARPNESS, START = 10.0, 0.25
"""The heads' weight is sigmoid(10 a), a from 0.25 on."""
SEGMENTS_A_PICK, SEGMENTS_A_PSEUDO_PICK = 16, 4


class ClassTexts(nn.Module):
    """t_c: [SOS][learned][class tokens][learned][EOS] through the frozen tower, not projected. [C, width].

    What is learned, [2 half, width], stands without a position.
    """

    frozen: Tensor
    learned: Tensor
    end: Tensor

    def __init__(self, encoder: TextEncoder, prompts: Sequence[str], prompt_half: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.vectors = nn.Parameter(torch.randn(2 * prompt_half, encoder.width))
        tokens, slot, end = sentence_layout(tokenize(list(prompts)), prompt_half)
        with torch.no_grad():
            named = encoder.embed_tokens(tokens)
            positions = encoder.tower.positional_embedding[: tokens.shape[1]]
        frozen = torch.where((slot >= 0).unsqueeze(-1), -positions, named)  # the tower adds them to all
        learned = (slot.unsqueeze(-1) == torch.arange(2 * prompt_half)).float()
        for name, value in {"frozen": frozen, "learned": learned, "end": end}.items():
            self.register_buffer(name, value, persistent=False)

    def forward(self) -> Tensor:
        return self.encoder.unprojected(self.frozen + self.learned @ self.vectors, self.end)


class Reading(nn.Module):
    """h = LN(x + A(x, y)), then LN(h + FFN(h)): eight heads of x on y. [B, n, d], [B, m, d] -> [B, n, d]."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, HEADS, batch_first=True)
        parts = [nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * width, width)]
        self.ffn = nn.Sequential(*parts, nn.Dropout(dropout))
        self.norm, self.norm_ffn = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Tensor, y: Tensor, hidden: Tensor | None = None) -> Tensor:
        """`hidden`, bool [B, m], are not read."""
        x = self.norm(x + self.attention(x, y, y, key_padding_mask=hidden, need_weights=False)[0])
        return self.norm_ffn(x + self.ffn(x))


class CoAttention(nn.Module):
    """Texts read the video while the video reads the texts. [B, C, d], [B, L, d], mask bool [B, L] -> both."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.texts, self.video = Reading(width, dropout), Reading(width, dropout)

    def forward(self, text: Tensor, video: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        return self.texts(text, video, ~mask), self.video(video, text)


class LaGoVadOutput(NamedTuple):
    """What the losses work on.

    Attributes:
        logits: z [B, L].
        alignment: M [B, L, C].
        mask: bool [B, L], valid segments.
        own: bool [B, L], those of the video that has the label; without synthesis all.
    """

    logits: Tensor
    alignment: Tensor
    mask: Tensor
    own: Tensor


class LaGoVad(Model[LaGoVadOutput]):
    """z = w Conv_9(v) + (1 - w) Conv_9(v'), M_tc = cos(v'_t, t'_c) / tau: v' and t' have read each other."""

    one_graph = True

    def __init__(self, setting: Setting, settings: LaGoVadSettings) -> None:
        super().__init__()
        assert setting.encoder is not None
        self.settings, width = settings, setting.encoder.width
        self.align = aligned(setting.visual_width, width)
        self.temporal = TemporalEncoder(width, settings.layers, settings.window, settings.dropout)
        self.fusion = nn.ModuleList(CoAttention(width, settings.dropout) for _ in range(settings.fusion_layers))
        self.texts = ClassTexts(setting.encoder, setting.prompts, settings.prompt_half)
        self.temperature = nn.Parameter(torch.tensor(TEMPERATURE))
        self.before, self.after = (score_head(width) for _ in range(2))
        self.balance = nn.Parameter(torch.tensor(START))

    def forward(self, batch: Batch) -> LaGoVadOutput:
        visual, mask, own = self.seen(batch)
        v = self.temporal(self.align(visual), mask)
        fused, text = v, self.texts().expand(len(v), -1, -1)
        for layer in cast(Iterable[CoAttention], self.fusion):
            text, fused = layer(text, fused, mask)
        before, after = (
            in_float32(head, last_held(x, mask).transpose(1, 2)).squeeze(1)
            for head, x in ((self.before, v), (self.after, fused))
        )
        share = (SHARPNESS * self.balance).sigmoid()
        with torch.autocast(v.device.type, enabled=False):
            alignment = cosines(fused.float(), text.float()) / self.temperature
        return LaGoVadOutput(share * before + (1 - share) * after, alignment, mask, own)

    def seen(self, batch: Batch) -> Synthesised:
        """The videos; in training with `synthesis` among stretches of normal ones."""
        if not (self.training and self.settings.synthesis):
            return Synthesised(batch.visual, batch.mask, batch.mask)
        return synthesised(batch.visual, batch.mask, ~batch.abnormal, self.settings.clips, self.settings.alone)

    def losses(self, output: LaGoVadOutput, batch: Batch) -> dict[str, Tensor]:
        """`bag` + `class`, cross-entropies of the mean logit of the max(1, floor(n / 16)) highest segments.

        With `synthesis` also `pseudo`, the mean cross-entropy of segments, abnormal those of an abnormal video's own
        part, and `pseudo_bag`, of the max(1, floor(n / 4)) highest of that part, or of a normal video.
        """
        bag = highest_mean(output.logits.unsqueeze(-1), output.mask, SEGMENTS_A_PICK).squeeze(-1)
        classes = highest_mean(output.alignment, output.mask, SEGMENTS_A_PICK).log_softmax(dim=-1)
        target = batch.labels / batch.labels.sum(dim=1, keepdim=True)
        losses = {
            "bag": F.binary_cross_entropy_with_logits(bag, batch.abnormal.float()),
            "class": -(target * classes).sum(dim=-1).mean(),
        }
        if self.settings.synthesis:
            losses |= pseudo_losses(output.logits, output.mask, output.own & batch.abnormal[:, None])
        return with_total(losses, self.settings)

    def scores(self, output: LaGoVadOutput) -> Scores:
        return Scores(output.logits.sigmoid(), output.alignment.softmax(dim=-1))


def score_head(width: int) -> nn.Conv1d:
    """A logit from nine segments; before the first and behind the last stands the same again."""
    return nn.Conv1d(width, 1, KERNEL, padding=KERNEL // 2, padding_mode="replicate")


def last_held(x: Tensor, mask: Tensor) -> Tensor:
    """The last valid segment on all padding: [B, L, d], bool [B, L] -> [B, L, d]."""
    last = mask.sum(dim=1, keepdim=True) - 1
    end = x.gather(1, last.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
    return torch.where(mask.unsqueeze(-1), x, end)


def pseudo_losses(logits: Tensor, mask: Tensor, abnormal: Tensor) -> dict[str, Tensor]:
    """`pseudo` and `pseudo_bag` of z [B, L], valid and abnormal segments bool [B, L]."""
    each = F.binary_cross_entropy_with_logits(logits, abnormal.float(), reduction="none")
    some = abnormal.any(dim=1)
    part = torch.where(some[:, None], abnormal, mask)
    bag = highest_mean(logits.unsqueeze(-1), part, SEGMENTS_A_PSEUDO_PICK).squeeze(-1)
    return {"pseudo": mean_where(each, mask), "pseudo_bag": F.binary_cross_entropy_with_logits(bag, some.float())}


def highest_mean(values: Tensor, part: Tensor, segments_a_pick: int) -> Tensor:
    """Mean of each column's max(1, floor(n / segments_a_pick)) highest of n: [B, L, C], bool [B, L] -> [B, C]."""
    most = max(part.shape[1] // segments_a_pick, 1)
    own = (part.sum(dim=1) // segments_a_pick).clamp(min=1)
    highest = values.masked_fill(~part.unsqueeze(-1), float("-inf")).topk(most, dim=1).values
    taken = (torch.arange(most, device=part.device) < own[:, None]).unsqueeze(-1)
    return highest.masked_fill(~taken, 0).sum(dim=1) / own[:, None]


def build(setting: Setting, settings: LaGoVadSettings) -> LaGoVad:
    """LaGoVAD for a bank's width and classes."""
    return LaGoVad(setting, settings)
