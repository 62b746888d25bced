"""MACIL-SD (Yu et al. 2022): cross-attention of picture and sound, contrast between mini-bags, self-distillation.

Two networks train side by side on the same batches: the audio-visual one, and one on the picture alone, whose weights
are blended into their namesakes of the first after every epoch.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.layout import Layout, choose_layout, in_turn, mix
from mmvad.models.losses.contrast import info_nce
from mmvad.models.losses.pooling import mean_rows, rows_at, top_k, top_mean, top_positions
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.macil_sd.settings import MacilSdSettings
from mmvad.models.setting import Setting
from mmvad.models.temporal import attention

WIDTH, HEADS = 128, 4
ALONE_RATE = 0.2
GAIN_AN_EPOCH = 0.1
BLEND = 0.045


class Attention(nn.Module):
    """T(q, kv) = u + Drop(W2 Drop(ReLU(W1 LN u))), u = q + Drop(MHA(LN q, kv, kv)): two rows [R, 128] -> [R, 128]."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.norm_query, self.norm_ffn = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, dropout, batch_first=True)
        self.ffn = nn.Sequential(
            nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Dropout(dropout), nn.Linear(WIDTH, WIDTH), nn.Dropout(dropout)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, query: Tensor, source: Tensor, layout: Layout) -> Tensor:
        """The source is not normalised."""
        weight, bias = self.attention.in_proj_weight, self.attention.in_proj_bias
        asked = F.linear(self.norm_query(query), weight[:WIDTH], bias[:WIDTH])
        inputs = torch.cat([asked, F.linear(source, weight[WIDTH:], bias[WIDTH:])], dim=-1)
        found = self.attention.out_proj(mix(self.read, inputs, layout.windows(0)))
        x = query + layout.dropout(found, self.dropout)
        return x + in_turn(self.ffn, self.norm_ffn(x), layout)

    def read(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Queries, keys and values [N, n, 3 * 128], keys by mask bool [N, n] -> [N, n, 128]."""
        q, k, v = inputs.unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        keys, dropout = mask[:, None, None], self.attention.dropout if self.training else 0.0
        return attention(q, k, v, keys, dropout).transpose(1, 2).flatten(2)


class VisualNet(nn.Module):
    """Logits [R] from the picture's rows, which attend to each other."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.visual, self.attend, self.classify = nn.Linear(width, WIDTH), Attention(dropout), nn.Linear(WIDTH, 1)

    def forward(self, visual: Tensor, layout: Layout) -> Tensor:
        hidden = self.visual(visual)
        return self.score(self.attend(hidden, hidden, layout))

    def score(self, rows: Tensor) -> Tensor:
        """Logits of rows: [R, 128] -> [R]."""
        return in_float32(self.classify, rows).squeeze(-1)


class AudioVisualNet(VisualNet):
    """The same layers with an input for sound; one attention layer serves both directions."""

    def __init__(self, width: int, audio_width: int, dropout: float) -> None:
        super().__init__(width, dropout)
        self.audio = nn.Linear(audio_width, WIDTH)

    def represent(self, visual: Tensor, audio: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
        """r_v = T(h_v, h_a) and r_a = T(h_a, h_v), [R, 128] each."""
        picture, sound = self.visual(visual), self.audio(audio)
        return self.attend(picture, sound, layout), self.attend(sound, picture, layout)


class MacilOutput(NamedTuple):
    """Representations r_v, r_a [B, L, 128], their logits z_v, z_a, and the visual network's logits, all [B, L]."""

    visual: Tensor
    audio: Tensor
    visual_logits: Tensor
    audio_logits: Tensor
    alone_logits: Tensor

    @property
    def logits(self) -> Tensor:
        """z = z_v + z_a."""
        return self.visual_logits.float() + self.audio_logits.float()


class MacilSd(Model[MacilOutput]):
    """Both networks; the audio-visual one is scored. The contrastive terms weigh min(1.5, 0.1 epoch)."""

    one_graph = True
    weight: Tensor

    def __init__(self, width: int, audio_width: int, settings: MacilSdSettings) -> None:
        super().__init__()
        self.settings = settings
        self.both = AudioVisualNet(width, audio_width, settings.dropout)
        self.alone = VisualNet(width, settings.dropout)
        self.register_buffer("weight", torch.zeros(()), persistent=False)
        if settings.initialisation == "published":
            for network in (self.both, self.alone):
                start_alike(network.attend.attention)

    def forward(self, batch: Batch) -> MacilOutput:
        assert batch.audio is not None
        layout = choose_layout(batch.mask)
        rows = layout.rows(batch.visual)
        visual, audio = self.both.represent(rows, layout.rows(batch.audio), layout)
        picture, sound = self.both.score(visual), self.both.score(audio)
        return MacilOutput(*map(layout.padded, (visual, audio, picture, sound, self.alone(rows, layout))))

    def losses(self, output: MacilOutput, batch: Batch) -> dict[str, Tensor]:
        truth = batch.abnormal.float()
        bag, alone = (
            F.binary_cross_entropy_with_logits(top_mean(logits, batch.mask), truth)
            for logits in (output.logits, output.alone_logits.float())
        )
        contrast = cross_modal_contrast(output, batch.mask, swapped=self.settings.swapped)
        return {"bag": bag, "contrast": contrast, "alone": alone, "total": bag + self.weight * contrast + alone}

    def scores(self, output: MacilOutput) -> Scores:
        return Scores(output.logits.sigmoid(), None)

    def parameter_groups(self, learning_rate: float) -> list[dict[str, Any]]:
        """The visual network learns five times slower."""
        rates = {self.both: learning_rate, self.alone: ALONE_RATE * learning_rate}
        return [{"params": list(net.parameters()), "lr": rate} for net, rate in rates.items()]

    def start_epoch(self, epoch: int, epochs: int) -> None:
        self.weight.fill_(min(self.settings.contrast_weight, GAIN_AN_EPOCH * epoch))

    @torch.no_grad()
    def end_epoch(self, epoch: int, epochs: int) -> None:
        """theta_av <- m theta_av + (1 - m) theta_v on like-named weights, m = 1 - 0.045 (1 + cos(pi e / epochs))."""
        keep = 1 - BLEND * (1 + math.cos(math.pi * epoch / epochs))
        own = dict(self.both.named_parameters())
        for name, taught in self.alone.named_parameters():
            own[name].lerp_(taught, 1 - keep)


@torch.no_grad()
def start_alike(attention: nn.MultiheadAttention) -> None:
    """Makes query, key, value and output copies of one linear layer with its biases, as the public code does."""
    drawn = nn.Linear(attention.embed_dim, attention.embed_dim)
    for own, output, start in (
        (attention.in_proj_weight, attention.out_proj.weight, drawn.weight),
        (attention.in_proj_bias, attention.out_proj.bias, drawn.bias),
    ):
        own.copy_(torch.cat([start] * 3))
        output.copy_(start)


class Bags(NamedTuple):
    """A modality's mini-bags: top rows' mean [B, d]; top and bottom rows [B, K, d]; taken bool [B, K]."""

    mean: Tensor
    top: Tensor
    bottom: Tensor
    taken: Tensor


def cross_modal_contrast(output: MacilOutput, mask: Tensor, *, swapped: bool = False) -> Tensor:
    """The four NCE terms: a_abn to v_abn against v_bgd, v_nor; v_abn to a_abn against a_bgd, a_nor (tau 0.1).

    A video counts as abnormal by its predicted bag score above 0.5. An abnormal bag is the mean of its k top rows, k
    times; a normal one its top rows; the bottom rows of all videos are background. 0 without a bag of either kind.
    """
    picks = output.visual_logits, output.audio_logits
    picture, sound = (
        _bags(rows.float(), scores.float(), mask)
        for rows, scores in zip((output.visual, output.audio), reversed(picks) if swapped else picks, strict=True)
    )
    abnormal = top_mean(output.logits, mask) > 0
    times = abnormal * top_k(mask)
    loss = _pull(sound.mean, picture, abnormal, times) + _pull(picture.mean, sound, abnormal, times)
    both = abnormal.any() & (~abnormal).any()
    return torch.where(both, loss, torch.zeros_like(loss))


def _pull(queries: Tensor, other: Bags, abnormal: Tensor, times: Tensor) -> Tensor:
    """Queries [B, d] to the other modality's means, against its background, plus against its normal rows."""
    unit = F.normalize(queries, dim=-1)
    positive = (unit * F.normalize(other.mean, dim=-1)).sum(dim=-1)
    background, normal = (unit @ F.normalize(rows.flatten(0, 1), dim=-1).T for rows in (other.bottom, other.top))
    return info_nce(background, positive, other.taken.flatten(), times) + info_nce(
        normal, positive, (other.taken & ~abnormal[:, None]).flatten(), times
    )


def _bags(rows: Tensor, scores: Tensor, mask: Tensor) -> Bags:
    top, taken = top_positions(scores, mask)
    bottom, _ = top_positions(scores, mask, lowest=True)
    highest = rows_at(rows, top)
    return Bags(mean_rows(highest, taken), highest, rows_at(rows, bottom), taken)


def build(setting: Setting, settings: MacilSdSettings) -> MacilSd:
    """MACIL-SD on picture and sound."""
    assert setting.audio_width is not None
    return MacilSd(setting.visual_width, setting.audio_width, settings)
