"""VadCLIP (Wu et al., AAAI 2024): windowed attention and graphs on frozen CLIP features, a binary and a text branch.

As its public code has it, not as our dual-stream network improves on it: no dropout, no layer norm before the visual
prompt, a similarity graph whose cut still weighs e^0. README.md says where it departs from that code.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmvad.models.dual_stream import Output, branch_scores, cosines
from mmvad.models.layout import Layout, choose_layout, spread
from mmvad.models.losses.embedding import embed_loss
from mmvad.models.losses.mil import coarse_loss, fine_loss
from mmvad.models.model import Batch, Model, Scores, in_float32
from mmvad.models.peers.graphs import GraphBranch, graph_branches, lineage_similarity, softmax_over_valid
from mmvad.models.peers.vadclip.settings import VadClipSettings
from mmvad.models.prompts import FeedForward, anomaly_vector, sentence_layout
from mmvad.models.setting import Setting
from mmvad.models.temporal import AttentionLayer, distance_kernel
from mmvad.models.text_encoder import CONTEXT_LENGTH, QuickGELU, TextEncoder, tokenize

TEMPERATURE = 0.07
PUBLISHED_NAMES = {"road accidents": "roadAccidents"}
"""Where the public code's names of classes are not ours: CLIP reads other tokens."""


class VisualEncoder(nn.Module):
    """v: learned positions, windowed attention, then two graph branches joined by a linear layer. Rows [R, d] -> same.

    Args:
        length: L, the segments that positions are learned for.
        layers, window: of the attention, whose windows do not overlap.
        distance: `kernel` exp(-|i - j| / e) as it is (code), or `softmax` of -|i - j| (paper).
    """

    def __init__(self, width: int, length: int, layers: int, window: int, distance: str = "kernel") -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.empty(length, width).normal_(std=0.01))
        self.layers = nn.ModuleList(attention_layer(width, window) for _ in range(layers))
        self.similarity, self.distance = (GraphBranch(width, width // 2, QuickGELU()) for _ in range(2))
        self.output = nn.Linear(2 * (width // 2), width)
        self.kind = distance

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        x = x + layout.of_positions(self.positions)
        for layer in self.layers:
            x = layer(x, layout)
        alike = [lineage_similarity(part, grid.mask) for grid, part in spread(x, layout.windows(0))]
        near = [self.near(grid.mask) for grid in layout.windows(0)]
        return self.output(graph_branches([self.similarity, self.distance], [alike, near], x, layout))

    def near(self, mask: Tensor) -> Tensor:
        """The distance graph of some videos: [n, n] or [N, n, n]."""
        return distance_kernel(mask.shape[1], mask.device) if self.kind == "kernel" else softmax_distance(mask)


def attention_layer(width: int, window: int) -> AttentionLayer:
    """Our layer, one head, but started as torch's attention is: ours begins as the identity."""
    layer = AttentionLayer(width, 1, window)
    nn.init.xavier_uniform_(layer.inputs.weight)
    nn.init.zeros_(layer.inputs.bias)
    layer.output.reset_parameters()
    nn.init.zeros_(layer.output.bias)
    layer.ffn = FeedForward(width)
    return layer


def softmax_distance(mask: Tensor) -> Tensor:
    """The paper's distance graph, softmax over valid j of -|i - j|: float32 [B, L, L]."""
    position = torch.arange(mask.shape[1], device=mask.device, dtype=torch.float32)
    apart = (position[:, None] - position[None, :]).abs().expand(len(mask), -1, -1)
    return softmax_over_valid(-apart, mask)


class ClassTexts(nn.Module):
    """t_c: [SOS][learned][class tokens][learned][EOS] through the frozen encoder, [C, d], not normalised.

    What is learned is a row a position of the sentence, shared by all classes: [77, text width].
    """

    frozen: Tensor
    learned: Tensor
    end: Tensor

    def __init__(self, encoder: TextEncoder, prompts: Sequence[str], prompt_half: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.rows = nn.Parameter(torch.empty(CONTEXT_LENGTH, encoder.width).normal_(std=0.01))
        tokens, slot, end = sentence_layout(tokenize(list(prompts)), prompt_half)
        with torch.no_grad():
            self.register_buffer("frozen", encoder.embed_tokens(tokens), persistent=False)
        self.register_buffer("learned", (slot >= 0).unsqueeze(-1), persistent=False)
        self.register_buffer("end", end, persistent=False)

    def forward(self) -> Tensor:
        rows = self.rows[: self.frozen.shape[1]]
        return self.encoder(torch.where(self.learned, rows, self.frozen), self.end)


class TwoBranches(nn.Module):
    """What is said of features v: coarse logits, and their alignment with visually prompted class texts.

    z = Lin(v + FFN(v)); w = normalise(sum_t a_t v_t); t'_c = (t_c + w) + FFN'(t_c + w); M_tc = cos(v_t, t'_c) / 0.07.
    a is the score sigmoid(z) (paper) or z itself (code), as `weighting` says: `score`, `logit`.
    """

    def __init__(self, width: int, texts: ClassTexts, weighting: str) -> None:
        super().__init__()
        self.ffn, self.classifier = FeedForward(width), nn.Linear(width, 1)
        self.texts, self.prompt_ffn = texts, FeedForward(width)
        self.weighting = weighting

    def forward(self, rows: Tensor, layout: Layout) -> Output:
        """v as rows [R, d]."""
        logits = layout.padded(in_float32(self.classifier, rows + self.ffn(rows)).squeeze(-1))
        features, text = layout.padded(rows), self.texts()
        prompted = text + anomaly_vector(features, logits, layout.mask, self.weighting).unsqueeze(1)
        prompted = prompted + self.prompt_ffn(prompted)
        with torch.autocast(features.device.type, enabled=False):
            alignment = cosines(features.float(), prompted.float()) / TEMPERATURE
        return Output(features, logits, alignment, text.unsqueeze(0))


class VadCLIP(Model[Output]):
    """The network with MIL-BCE(sigmoid z) + class CE(M) + lambda mean_{c >= 1} |cos(t_0, t_c)|."""

    one_graph = True

    def __init__(self, setting: Setting, settings: VadClipSettings) -> None:
        super().__init__()
        assert setting.encoder is not None  # the configuration lets no modalities without T through
        width = setting.encoder.output_width
        self.align = aligned(setting.visual_width, width)
        self.visual = VisualEncoder(width, setting.length, settings.layers, settings.window, settings.distance)
        published = PUBLISHED_NAMES if settings.class_names == "published" else {}
        prompts = [published.get(prompt, prompt) for prompt in setting.prompts]
        texts = ClassTexts(setting.encoder, prompts, settings.prompt_half)
        self.branches = TwoBranches(width, texts, settings.weighting)
        self.lambda_embed = settings.lambda_embed

    def forward(self, batch: Batch) -> Output:
        layout = choose_layout(batch.mask)
        rows = self.visual(self.align(layout.rows(batch.visual)), layout)
        return self.branches(rows, layout)

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        assert output.alignment is not None
        assert output.text is not None
        coarse = coarse_loss(torch.sigmoid(output.logits.float()), batch.mask, batch.abnormal)
        fine = fine_loss(output.alignment.float(), batch.mask, batch.labels, "cross_entropy", "class")
        embed = embed_loss(output.text.float(), "abs", "mean")
        total = coarse + fine + self.lambda_embed * embed
        return {"coarse": coarse, "fine": fine, "embed": embed, "total": total}

    def scores(self, output: Output) -> Scores:
        return Scores(*branch_scores(output))


def aligned(width: int, text_width: int) -> nn.Module:
    """Ours: features of another width than the text's (I3D) pass a linear layer first."""
    return nn.Identity() if width == text_width else nn.Linear(width, text_width)


def build(setting: Setting, settings: VadClipSettings) -> VadCLIP:
    """VadCLIP for a bank's width, L and classes."""
    return VadCLIP(setting, settings)
