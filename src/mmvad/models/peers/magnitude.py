"""What RTFM and its followers share: the multi-scale temporal network, selection by norm, and the losses on norms.

A sample is a crop of a video; a video's N crops stand together. L segments, d the features' width; the network works on
the rows of a layout. Padding takes part in nothing: not in a convolution, a normalisation, a selection or a loss.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.errors import UserError
from mmvad.models.convolution import rows_along_time
from mmvad.models.layout import Layout, Packed, in_turn, mix, packs
from mmvad.models.losses.mil import binary_cross_entropy
from mmvad.models.losses.pooling import mean_where, pairs_of
from mmvad.models.model import Batch, in_float32
from mmvad.models.peers.magnitude_settings import MagnitudeSettings
from mmvad.sections import Section

SEGMENTS_A_CHOICE = 10
GROUPS = 8
MOMENTUM = 0.1
"""Of the running mean and variance."""


class MaskedBatchNorm(nn.Module):
    """Batch normalisation over valid segments alone. Rows [R, d] -> [R, d]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width, momentum=MOMENTUM)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        if not isinstance(layout, Packed):
            return self._in_place(x, layout.mask)
        normed = self.norm(x)
        if normed.requires_grad:  # its gradient is columns of joined parts': torch takes four times as long for those
            normed.register_hook(Tensor.contiguous)
        return normed

    def _in_place(self, x: Tensor, mask: Tensor) -> Tensor:
        """The same in fixed shapes, zero on padding; bool [B, L]."""
        valid, wide = mask.flatten().unsqueeze(-1), x.float()
        mean, variance = self._moments(wide, valid) if self.training else self._running()
        scaled = (wide - mean) / torch.sqrt(variance + self.norm.eps) * self.norm.weight + self.norm.bias
        return scaled.to(x.dtype) * valid

    def _moments(self, x: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the valid segments, [d] each; the running ones go on."""
        count, (running_mean, running_variance) = valid.sum(), self._running()
        mean = (x * valid).sum(dim=0) / count
        variance = ((x - mean).square() * valid).sum(dim=0) / count
        with torch.no_grad():
            self.norm.get_buffer("num_batches_tracked").add_(1)
            running_mean.lerp_(mean, MOMENTUM)
            running_variance.lerp_(variance * (count / (count - 1).clamp(min=1)), MOMENTUM)
        return mean, variance

    def _running(self) -> tuple[Tensor, Tensor]:
        return self.norm.get_buffer("running_mean"), self.norm.get_buffer("running_var")


class MaskedGroupNorm(nn.Module):
    """Group normalisation (8 groups) over a video's valid segments. Rows [R, d] -> [R, d]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, width)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        return mix(self._normed, x, layout.windows(0))

    def _normed(self, x: Tensor, mask: Tensor) -> Tensor:
        """[N, n, d], bool [N, n] -> [N, n, d]; torch's own where there is no padding, channels last as they lie."""
        if packs(mask) and bool(mask.all()):
            lying = x.unsqueeze(2).permute(0, 3, 1, 2)
            normed = torch.group_norm(lying, GROUPS, self.norm.weight, self.norm.bias, self.norm.eps)
            return normed.permute(0, 2, 3, 1).squeeze(2)
        grouped = x.float().unflatten(-1, (GROUPS, -1))
        valid = mask[:, :, None, None]
        count = mask.sum(dim=1)[:, None, None, None] * grouped.shape[-1]
        centred = grouped - (grouped * valid).sum(dim=(1, 3), keepdim=True) / count
        variance = (centred.square() * valid).sum(dim=(1, 3), keepdim=True) / count
        scaled = (centred / torch.sqrt(variance + self.norm.eps)).flatten(-2)
        return (scaled * self.norm.weight + self.norm.bias).to(x.dtype)


class NormedConv(nn.Module):
    """BN(ReLU(Conv_3(x))), or ReLU(GN8(Conv_3(x))) with `groups`. Rows [R, d] -> [R, d_out]."""

    def __init__(self, width: int, width_out: int, *, dilation: int = 1, bias: bool = True, groups: bool) -> None:
        super().__init__()
        self.conv = nn.Conv1d(width, width_out, 3, padding=dilation, dilation=dilation, bias=bias)
        self.groups, self.dilation = groups, dilation
        self.norm = MaskedGroupNorm(width_out) if groups else MaskedBatchNorm(width_out)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        x = rows_along_time(x, self.conv.weight, self.conv.bias, layout, dilation=self.dilation)
        return F.relu(self.norm(x, layout)) if self.groups else self.norm(F.relu(x), layout)


class NonLocal(nn.Module):
    """x + BN(W (theta phi^T / n) g), without a softmax; the norm starts at zero. Rows [R, d] -> [R, d]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.theta, self.phi, self.g = (nn.Linear(width, width // 2) for _ in range(3))
        self.output, self.norm = nn.Linear(width // 2, width), MaskedBatchNorm(width)
        nn.init.zeros_(self.norm.norm.weight)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        inputs = torch.cat([self.theta(x), self.phi(x), self.g(x)], dim=-1)
        return x + self.norm(self.output(mix(self._found, inputs, layout.windows(0))), layout)

    def _found(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """theta, phi and g [N, n, 3 d / 2], bool [N, n] -> [N, n, d / 2]; zero on padding."""
        theta, phi, g = inputs.chunk(3, dim=-1)
        g = g / mask.sum(dim=1)[:, None, None]
        if mask.shape[1] < g.shape[-1]:
            return (theta @ phi.transpose(1, 2)) @ g
        return theta @ (phi.transpose(1, 2) @ g)


class MultiScaleTemporal(nn.Module):
    """MTN(d): x + join([c1; c2; c3; non-local(c4)]), c1 to c3 of dilation 1, 2, 4. Rows [R, d] -> [R, d].

    With `groups` the joined convolutions have GN8 before ReLU in place of BN behind it, as in S3R.
    """

    def __init__(self, width: int, *, groups: bool = False) -> None:
        super().__init__()
        quarter = width // 4
        self.scales = nn.ModuleList(NormedConv(width, quarter, dilation=r, groups=groups) for r in (1, 2, 4))
        self.narrow, self.non_local = nn.Linear(width, quarter, bias=False), NonLocal(quarter)
        self.join = NormedConv(width, width, bias=False, groups=groups)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        parts = [scale(x, layout) for scale in self.scales]
        parts.append(self.non_local(F.relu(self.narrow(x)), layout))
        return x + self.join(torch.cat(parts, dim=-1), layout)


class Selected(NamedTuple):
    """What the losses work on.

    Attributes:
        scores: s [V, L], the mean over crops.
        features: f [V, N, L, d].
        positions: int64 [V, K], the selected segments, the largest norm first.
        taken: bool [V, K], False beyond a video's own k.
    """

    scores: Tensor
    features: Tensor
    positions: Tensor
    taken: Tensor


def select(features: Tensor, scores: Tensor, batch: Batch, dropout: float) -> Selected:
    """The max(1, n / 10) segments of largest norm; `dropout` (0 at test) hides some from the choice.

    Args:
        features: f [V N, L, d].
        scores: [V N, L].
    """
    features = features.unflatten(0, (-1, batch.crops))
    mask = batch.mask[:: batch.crops]
    norms = features.detach().float().norm(dim=-1).mean(dim=1)
    shown = F.dropout(torch.ones_like(norms), dropout)
    most = max(mask.shape[1] // SEGMENTS_A_CHOICE, 1)
    positions = (norms * shown).masked_fill(~mask, -1).topk(most, dim=1).indices
    own = (mask.sum(dim=1) // SEGMENTS_A_CHOICE).clamp(min=1)
    taken = torch.arange(most, device=mask.device) < own[:, None]
    return Selected(scores.unflatten(0, (-1, batch.crops)).mean(dim=1), features, positions, taken)


def chosen_features(selected: Selected) -> Tensor:
    """f of the selected segments: [V, N, K, d], float32, zero beyond a video's own k."""
    f = selected.features
    positions = selected.positions[:, None, :, None].expand(-1, f.shape[1], -1, f.shape[-1])
    return f.gather(2, positions).float() * selected.taken[:, None, :, None]


def bag_scores(selected: Selected) -> Tensor:
    """S: mean score of the selected segments, [V]."""
    chosen = selected.scores.float().gather(1, selected.positions)
    return (chosen * selected.taken).sum(dim=1) / selected.taken.sum(dim=1)


def margin_loss(selected: Selected, abnormal: Tensor, margin: float, form: str) -> Tensor:
    """`squared`: mean_i (|margin - |phi_i^abn|| + |phi_i^nor|)^2, phi the mean of the selected f of a crop row.

    `hinge`: mean_i max(0, margin - d_i^abn + d_i^nor), d the mean of the selected norms. i is a pair's crop row;
    abnormal bool [V]. 0 where either kind is missing.
    """
    chosen, pairs = chosen_features(selected), pairs_of(abnormal)
    count = selected.taken.sum(dim=1)[:, None, None]
    if form == "hinge":
        norms = chosen.norm(dim=-1).sum(dim=2) / count[..., 0]
        return mean_where(F.relu(margin - norms[pairs.abnormal] + norms[pairs.normal]), pairs.taken)
    norms = (chosen.sum(dim=2) / count).norm(dim=-1)
    return mean_where(((margin - norms[pairs.abnormal]).abs() + norms[pairs.normal]).square(), pairs.taken)


def smoothness(scores: Tensor, mask: Tensor) -> Tensor:
    """Sum of (s_t - s_{t+1})^2 inside every video. [V, L], bool [V, L] -> scalar."""
    return ((scores[:, 1:] - scores[:, :-1]).square() * mask[:, 1:]).sum()


def magnitude_losses(selected: Selected, batch: Batch, settings: MagnitudeSettings) -> dict[str, Tensor]:
    """RTFM's four terms, unweighted: `bag` cross-entropy, `margin`, `smooth` and `sparse` of the abnormal videos."""
    abnormal, mask = batch.abnormal[:: batch.crops], batch.mask[:: batch.crops]
    scores, unwanted = selected.scores.float(), mask & abnormal[:, None]
    return {
        "bag": binary_cross_entropy(bag_scores(selected), abnormal.float()),
        "margin": margin_loss(selected, abnormal, settings.margin, settings.margin_form),
        "smooth": smoothness(scores, unwanted),
        "sparse": (scores * unwanted).norm(),
    }


def with_total(losses: dict[str, Tensor], settings: Section) -> dict[str, Tensor]:
    """The losses and `total`, their sum; a loss NAME counts `settings.NAME_weight` where there is that key, else 1."""
    weights = vars(settings)
    total = torch.stack([weights.get(f"{name}_weight", 1.0) * loss for name, loss in losses.items()]).sum()
    return losses | {"total": total}


def head(width: int, dropout: float) -> nn.Sequential:
    """A logit from f: Lin(d > d/4), Lin(d/4 > d/16), Lin(d/16 > 1), ReLU and dropout between."""
    quarter, last = width // 4, width // 16
    hidden = [nn.Linear(width, quarter), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*hidden, nn.Linear(quarter, last), nn.ReLU(), nn.Dropout(dropout), nn.Linear(last, 1))


def scored(layers: nn.Sequential, rows: Tensor, layout: Layout) -> Tensor:
    """Scores of rows [R, d] by a `head`, in single precision: padded, [V N, L]."""
    logits = in_float32(lambda x: in_turn(layers, x, layout), rows)
    return layout.padded(logits.squeeze(-1).sigmoid())


def convolve(conv: nn.Conv1d, x: Tensor, mask: Tensor) -> Tensor:
    """A convolution over time that sees zeros on padding. [B, L, d], bool [B, L] -> [B, L, d_out]."""
    return conv((x * mask.unsqueeze(-1)).transpose(1, 2)).transpose(1, 2)


def xavier(network: nn.Module) -> None:
    """Draws every linear and convolution weight Xavier uniform; their biases become 0."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv1d):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def check_width(width: int, multiple: int) -> None:
    """Raises UserError where a visual width cannot be cut into the network's parts."""
    if width % multiple:
        raise UserError(
            f"data.bank: pictures {width} wide",
            "this network halves the width several times",
            expected=f"a multiple of {multiple}",
            fix="take a bank of other features",
        )
