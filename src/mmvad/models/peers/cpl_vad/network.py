"""CPL-VAD (Lee et al. 2026): a score and a class branch on a pyramid teach each other what segments are abnormal.

A reconstruction: README.md says what is inferred.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.dual_stream import cosines
from mmvad.models.losses.embedding import embed_loss
from mmvad.models.losses.mil import coarse_loss, each_cross_entropy, fine_loss
from mmvad.models.losses.pooling import mean_where
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.cpl_vad.pyramid import LEVELS, MULTIPLE, Pyramid
from mmvad.models.peers.cpl_vad.refinement import refined
from mmvad.models.peers.cpl_vad.settings import CplVadSettings
from mmvad.models.peers.magnitude import convolve, with_total
from mmvad.models.peers.vadclip.network import TEMPERATURE, ClassTexts
from mmvad.models.prompts import FeedForward
from mmvad.models.setting import Setting
from mmvad.models.text_encoder import CONTEXT_LENGTH, TextEncoder, tokenize

TEMPLATE = "A video of the {}"


class LevelTexts(nn.Module):
    """t_lc: [SOS]A video of the NAME[learned][level l][normal or not][EOS] through the tower. [6, C, d]."""

    frozen: Tensor
    learned: Tensor
    marks: Tensor
    end: Tensor

    def __init__(self, encoder: TextEncoder, prompts: Sequence[str], behind: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.rows = nn.Parameter(torch.empty(CONTEXT_LENGTH, encoder.width).normal_(std=0.01))
        self.marked = nn.Parameter(torch.empty(LEVELS + 2, encoder.width).normal_(std=0.01))
        tokens = tokenize(list(prompts))
        first = tokens.argmax(dim=-1)  # EOS has the highest number
        end = first + behind + 2
        place = torch.arange(int(end.max()) + 1)
        with torch.no_grad():
            named = encoder.embed_tokens(tokens[:, : len(place)]) * (place < first[:, None]).unsqueeze(-1)
            eos = encoder.embed_tokens(tokens.amax()) * (place == end[:, None]).unsqueeze(-1)
        learned = (place >= first[:, None]) & (place < end[:, None] - 2)
        self.register_buffer("frozen", named + eos, persistent=False)
        self.register_buffer("learned", learned.unsqueeze(-1).float(), persistent=False)
        self.register_buffer("marks", _marks(place, end), persistent=False)
        self.register_buffer("end", end.repeat(LEVELS), persistent=False)

    def forward(self) -> Tensor:
        shared = self.frozen + self.learned * self.rows[: self.frozen.shape[1]]
        sentences = shared + self.marks @ self.marked
        return self.encoder(sentences.flatten(0, 1), self.end).unflatten(0, (LEVELS, -1))


def _marks(place: Tensor, end: Tensor) -> Tensor:
    """1 where a sentence has its level's vector, and its kind's, of the eight: float32 [6, C, T, 8]."""
    marks = torch.zeros(LEVELS, len(end), len(place), LEVELS + 2)
    for level in range(LEVELS):
        for c, at in enumerate(end.tolist()):
            marks[level, c, at - 2, level] = 1
            marks[level, c, at - 1, LEVELS + min(c, 1)] = 1
    return marks


class SharedTexts(nn.Module):
    """VadCLIP's class texts, the same for every level. [6, C, d]."""

    def __init__(self, encoder: TextEncoder, prompts: Sequence[str], prompt_half: int) -> None:
        super().__init__()
        self.texts = ClassTexts(encoder, prompts, prompt_half)

    def forward(self) -> Tensor:
        return self.texts().expand(LEVELS, -1, -1)


class Said(NamedTuple):
    """What one network says, every level at full length.

    Attributes:
        logits: z [B, L, 6].
        alignment: M [B, L, 6, C].
        text: t [6, C, d].
    """

    logits: Tensor
    alignment: Tensor
    text: Tensor

    def abnormal(self) -> Tensor:
        """1 - softmax(M) of the normal class: [B, L, 6]."""
        return 1 - self.alignment.softmax(dim=-1)[..., 0]


class PyramidBranches(nn.Module):
    """z_l of one scorer, M_tlc = cos(v_tl, t'_lc) / 0.07 with t' = t + FFN' FFN t, two of a level."""

    def __init__(self, width_in: int, width: int, texts: nn.Module, settings: CplVadSettings) -> None:
        super().__init__()
        self.pyramid = Pyramid(width_in, width, settings.drop_path)
        self.hidden = nn.ModuleList(nn.Conv1d(width, width, 3, padding=1, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.classify = nn.Conv1d(width, 1, 3, padding=1)
        self.texts = texts
        self.ffns = nn.ModuleList(nn.Sequential(FeedForward(width), FeedForward(width)) for _ in range(LEVELS))
        for name, module in self.named_modules():
            if isinstance(module, nn.Linear | nn.Conv1d) and module.bias is not None and "encoder" not in name:
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor, mask: Tensor) -> Said:
        length = mask.shape[1]
        more = -length % MULTIPLE
        levels = self.pyramid(F.pad(x, (0, 0, 0, more)), F.pad(mask, (0, more)))
        found = self.texts()
        text = torch.stack([t + ffn(t) for t, ffn in zip(found, self.ffns, strict=True)])
        logits, alignment = [], []
        for level, (v, valid) in enumerate(levels):
            with torch.autocast(v.device.type, enabled=False):
                aligned = cosines(v.float(), text[level].float().unsqueeze(0)) / TEMPERATURE
            logits.append(self.score(v, valid).repeat_interleave(2**level, dim=1)[:, :length])
            alignment.append(aligned.repeat_interleave(2**level, dim=1)[:, :length])
        return Said(torch.stack(logits, dim=-1), torch.stack(alignment, dim=2), found)

    def score(self, v: Tensor, mask: Tensor) -> Tensor:
        """[B, L, d], bool [B, L] -> logits [B, L]."""
        for conv, norm in zip(self.hidden, self.norms, strict=True):
            v = F.relu(norm(convolve(conv, v, mask)))  # type: ignore[arg-type]
        last: Callable[[Tensor], Tensor] = lambda rows: convolve(self.classify, rows, mask)  # noqa: E731
        return in_float32(last, v).squeeze(-1)


class CplVadOutput(NamedTuple):
    """What is learned from.

    Attributes:
        said: of the network that learns; at test of the second.
        by_scores, by_classes: pseudo labels [B, L] of the first network's two branches, while the second learns.
    """

    said: Said
    by_scores: Tensor | None = None
    by_classes: Tensor | None = None


class CplVad(Model[CplVadOutput]):
    """The first network learns from bags; the second also from the first one's pseudo labels, and is scored.

    Attributes:
        second_learns: whether the second network does.
    """

    stages = 2

    def __init__(self, setting: Setting, settings: CplVadSettings) -> None:
        super().__init__()
        assert setting.encoder is not None
        encoder, widths = setting.encoder, (setting.visual_width, setting.encoder.output_width)
        prompts = [TEMPLATE.format(prompt) for prompt in setting.prompts]
        texts = SharedTexts(encoder, prompts, settings.prompt_half)
        own = LevelTexts(encoder, prompts, settings.prompt_half - 1)
        self.settings, self.second_learns = settings, False
        self.first = PyramidBranches(*widths, texts, settings)
        self.second = PyramidBranches(*widths, own, settings)

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """Half of the epochs for each network."""
        self.second_learns = 2 * epoch >= epochs

    def forward(self, batch: Batch) -> CplVadOutput:
        if not self.training or not self.second_learns:
            learns = self.first if self.training else self.second
            return CplVadOutput(learns(batch.visual, batch.mask))
        self.first.eval()
        with torch.no_grad():
            taught = self.first(batch.visual, batch.mask)
        labels = [self.refined(scores[..., :-1], batch) for scores in (taught.logits.sigmoid(), taught.abnormal())]
        return CplVadOutput(self.second(batch.visual, batch.mask), *labels)

    def refined(self, scores: Tensor, batch: Batch) -> Tensor:
        """Pseudo labels of the five finest levels' scores [B, L, 5]; 0 in normal videos."""
        s = self.settings
        labels = refined(scores, batch.mask, s.gap, s.shortest, s.agreement, s.flat)
        return labels * batch.abnormal[:, None]

    def losses(self, output: CplVadOutput, batch: Batch) -> dict[str, Tensor]:
        """`coarse` + `fine` + 1e-4 `embed`, of levels the mean; and `cross`, while there are pseudo labels."""
        said, mask = output.said, batch.mask
        coarse = [coarse_loss(z, mask, batch.abnormal) for z in said.logits.sigmoid().unbind(dim=-1)]
        fine = [fine_loss(m, mask, batch.labels, "cross_entropy", "class") for m in said.alignment.unbind(dim=2)]
        embed = embed_loss(said.text.float(), "abs", "mean")
        losses = {"coarse": torch.stack(coarse).mean(), "fine": torch.stack(fine).mean(), "embed": embed}
        return with_total(losses | {"cross": cross_loss(output, mask)}, self.settings)

    def scores(self, output: CplVadOutput) -> Scores:
        """The means over levels of sigmoid(z), and of M."""
        said = output.said
        return Scores(said.logits.sigmoid().mean(dim=-1), said.alignment.mean(dim=2).softmax(dim=-1))


def cross_loss(output: CplVadOutput, mask: Tensor) -> Tensor:
    """Mean cross-entropies of each branch's levels with the other branch's labels, their sum."""
    if output.by_scores is None or output.by_classes is None:
        return output.said.logits.new_zeros(())
    pairs = ((output.said.logits.sigmoid(), output.by_classes), (output.said.abnormal(), output.by_scores))
    each = [each_cross_entropy(p, labels.unsqueeze(-1).expand_as(p)) for p, labels in pairs]
    return mean_where(each[0], mask) + mean_where(each[1], mask)


def build(setting: Setting, settings: CplVadSettings) -> CplVad:
    """CPL-VAD for a bank's width and classes."""
    return CplVad(setting, settings)
