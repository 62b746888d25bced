"""AVadCLIP (Wu et al., 2025): VadCLIP with gated audio fusion, and a visual-only student that learns its features.

The teacher is what is scored; with `peers.avadclip.network: student` the first half of the epochs trains the teacher,
the second the student.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from mmvad.models.convolution import rows_along_time
from mmvad.models.dual_stream import Output, branch_scores
from mmvad.models.layout import Layout, choose_layout
from mmvad.models.losses.embedding import embed_loss
from mmvad.models.losses.mil import coarse_loss, fine_loss
from mmvad.models.losses.pooling import top_mean
from mmvad.models.model import Batch, Model, Scores
from mmvad.models.peers.avadclip.settings import AvadClipSettings
from mmvad.models.peers.vadclip.network import ClassTexts, TwoBranches, VisualEncoder, aligned
from mmvad.models.setting import Setting

AUDIO_DROPOUT = 0.1
DILATIONS = (1, 2, 4)
FOCAL_WEIGHT = 0.25


@dataclass(frozen=True)
class Fused(Output):
    """What a network says, and what the student is taught with.

    Attributes:
        target: f of the teacher [B, L, d], without gradient.
        log_variance: theta, how unsure the student is of each of its features [B, L, d].
    """

    target: Tensor | None = None
    log_variance: Tensor | None = None


class CausalBlock(nn.Module):
    """ReLU(x + twice [weight-normed convolution of 2 rows, the earlier `dilation` back; ReLU; dropout])."""

    def __init__(self, width: int, dilation: int, dropout: float = AUDIO_DROPOUT) -> None:
        super().__init__()
        make = lambda: weight_norm(nn.Conv1d(width, width, 2, dilation=dilation))  # noqa: E731
        self.convolutions = nn.ModuleList([make(), make()])
        self.dilation, self.dropout = dilation, nn.Dropout(dropout)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """Rows [R, d] -> same."""
        h = x
        for convolution in cast(Iterable[nn.Conv1d], self.convolutions):
            weight, bias = convolution.weight, convolution.bias
            h = torch.relu(rows_along_time(h, weight, bias, layout, dilation=self.dilation, causal=True))
            h = layout.dropout(h, self.dropout)
        return torch.relu(x + h)


class GatedAudio(nn.Module):
    """f = v + sigmoid(Lin [v; a]) * Lin GELU Lin [v; a], a through causal convolutions; v where there is no sound."""

    def __init__(self, width: int, audio_width: int) -> None:
        super().__init__()
        self.align = aligned(audio_width, width)
        self.blocks = nn.Sequential(*(CausalBlock(width, dilation) for dilation in DILATIONS))
        self.gate = nn.Linear(2 * width, width)
        self.update = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, visual: Tensor, audio: Tensor, has_audio: Tensor, layout: Layout) -> Tensor:
        """v [R, d], audio [R, d_a], has_audio bool [B] -> f [R, d]."""
        sound = self.align(audio)
        for block in self.blocks:
            sound = block(sound, layout)
        both = torch.cat([visual, sound], dim=-1)
        fused = visual + torch.sigmoid(self.gate(both)) * self.update(both)
        return torch.where(layout.of_videos(has_audio).unsqueeze(-1), fused, visual)


class Focal(nn.Module):
    """-mean_B (sum_c Y^_c alpha_c) (1 - p)^2 sum_c Y^_c log softmax(u)_c, p = sum_c Y^_c softmax(u)_c.

    u are top-k means, Y^ the labels scaled to sum 1; alpha is 0.25, or learned from there as in the public code.
    """

    alpha: Tensor

    def __init__(self, classes: int, learned: bool) -> None:
        super().__init__()
        start = torch.full((classes,), FOCAL_WEIGHT)
        if learned:
            self.alpha = nn.Parameter(start)
        else:
            self.register_buffer("alpha", start, persistent=False)

    def forward(self, alignment: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
        """M [B, L, C], bool [B, L], [B, C] -> scalar."""
        share = labels / labels.sum(dim=1, keepdim=True)
        log = top_mean(alignment, mask).log_softmax(dim=-1)
        right = (share * log.exp()).sum(dim=1)
        return -((share * self.alpha).sum(dim=1) * (1 - right) ** 2 * (share * log).sum(dim=1)).mean()


class Teacher(nn.Module):
    """VadCLIP's network on picture fused with sound."""

    def __init__(self, setting: Setting, settings: AvadClipSettings) -> None:
        super().__init__()
        assert setting.encoder is not None
        assert setting.audio_width is not None
        width = setting.encoder.output_width
        self.align = aligned(setting.visual_width, width)
        self.visual = VisualEncoder(width, setting.length, settings.layers, settings.window)
        self.audio = GatedAudio(width, setting.audio_width)
        texts = ClassTexts(setting.encoder, setting.prompts, settings.prompt_half)
        self.branches = TwoBranches(width, texts, settings.weighting)
        self.focal = Focal(len(setting.prompts), settings.learned_focus)

    def forward(self, batch: Batch) -> Fused:
        layout = choose_layout(batch.mask)
        return Fused(**vars(self.branches(self.fused(batch, layout), layout)))

    def fused(self, batch: Batch, layout: Layout) -> Tensor:
        """f as rows [R, d]."""
        visual = self.visual(self.align(layout.rows(batch.visual)), layout)
        if batch.audio is None or batch.has_audio is None:
            return visual
        return self.audio(visual, layout.rows(batch.audio), batch.has_audio, layout)


class Student(nn.Module):
    """VadCLIP's network on mu(v), the picture made like the teacher's f; theta(v) says how far that may be off.

    mu: three times x + ReLU(Conv(x)), width 3; theta = -(v + ReLU Lin Conv ReLU Lin v).
    """

    def __init__(self, setting: Setting, settings: AvadClipSettings) -> None:
        super().__init__()
        assert setting.encoder is not None
        width = setting.encoder.output_width
        self.align = aligned(setting.visual_width, width)
        self.visual = VisualEncoder(width, setting.length, settings.student_layers, settings.student_window)
        self.mean = nn.ModuleList(nn.Conv1d(width, width, 3, padding=1) for _ in range(3))
        self.variance_in, self.variance_out = nn.Linear(width, width), nn.Linear(width, width)
        self.variance = nn.Conv1d(width, width, 3, padding=1)
        texts = ClassTexts(setting.encoder, setting.prompts, settings.prompt_half)
        self.branches = TwoBranches(width, texts, settings.weighting)
        self.focal = Focal(len(setting.prompts), settings.learned_focus)

    def forward(self, batch: Batch, teacher: Teacher | None) -> Fused:
        """With a teacher, its f is the target."""
        layout, target = choose_layout(batch.mask), None
        if teacher is not None:
            with torch.no_grad():
                target = layout.padded(teacher.fused(batch, layout))
        visual = self.visual(self.align(layout.rows(batch.visual)), layout)
        mean = visual
        for convolution in self.mean:
            mean = mean + torch.relu(along_time(convolution, mean, layout))
        hidden = along_time(self.variance, torch.relu(self.variance_in(visual)), layout)
        theta = -(visual + torch.relu(self.variance_out(hidden)))
        return Fused(**vars(self.branches(mean, layout)), target=target, log_variance=layout.padded(theta))


def along_time(convolution: nn.Module, rows: Tensor, layout: Layout) -> Tensor:
    """A convolution over the segments of rows [R, d]."""
    kernel, bias = convolution.parameters()
    return rows_along_time(rows, kernel, bias, layout)


def distillation(mean: Tensor, target: Tensor, log_variance: Tensor, mask: Tensor) -> Tensor:
    """Mean over valid segments and features of (f - mu)^2 / (1e-6 + 2 exp(theta)) + theta; all [B, L, d]."""
    each = (target - mean) ** 2 / (1e-6 + 2 * log_variance.exp()) + log_variance
    return (each * mask.unsqueeze(-1)).sum() / (mask.sum() * each.shape[-1])


class AVadCLIP(Model[Fused]):
    """Teacher, and student where that is scored; MIL-BCE + (class CE + focal) / 2 + lambda |cos| (+ distillation)."""

    one_graph = True

    def __init__(self, setting: Setting, settings: AvadClipSettings) -> None:
        super().__init__()
        self.settings = settings
        self.teacher = Teacher(setting, settings)
        self.student = Student(setting, settings) if settings.network == "student" else None
        self.stages = 2 if self.student else 1
        self.distilling = False

    def start_epoch(self, epoch: int, epochs: int) -> None:
        """The teacher is done, and frozen, after half of the epochs."""
        self.distilling = self.student is not None and 2 * epoch >= epochs
        self.train(self.training)

    def train(self, mode: bool = True) -> AVadCLIP:
        """A teacher that teaches stays in evaluation mode."""
        super().train(mode)
        if self.distilling:
            self.teacher.eval()
        return self

    def forward(self, batch: Batch) -> Fused:
        if self.student is None or (self.training and not self.distilling):
            return self.teacher(batch)
        return self.student(batch, self.teacher if self.training else None)

    def losses(self, output: Fused, batch: Batch) -> dict[str, Tensor]:
        assert output.alignment is not None
        assert output.text is not None
        alignment = output.alignment.float()
        network = self.teacher if output.log_variance is None or self.student is None else self.student
        found = {
            "coarse": coarse_loss(torch.sigmoid(output.logits.float()), batch.mask, batch.abnormal),
            "fine": fine_loss(alignment, batch.mask, batch.labels, "cross_entropy", "class"),
            "focal": network.focal(alignment, batch.mask, batch.labels),
            "embed": embed_loss(output.text.float(), "abs", "mean"),
        }
        total = found["coarse"] + (found["fine"] + found["focal"]) / 2 + self.settings.lambda_embed * found["embed"]
        if output.target is not None and output.log_variance is not None:
            mean, target, theta = output.features.float(), output.target.float(), output.log_variance.float()
            found["distil"] = distillation(mean, target, theta, batch.mask)
            total = total + self.settings.lambda_distil * found["distil"]
        return found | {"total": total}

    def scores(self, output: Fused) -> Scores:
        return Scores(*branch_scores(output))


def build(setting: Setting, settings: AvadClipSettings) -> AVadCLIP:
    """AVadCLIP for a bank's widths, L and classes."""
    return AVadCLIP(setting, settings)
