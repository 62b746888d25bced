"""CLIP's text tower, frozen, read from embeddings instead of tokens so that prompts can be learned through it.

The architecture is open_clip's; no image tower is ever built. Weights come by name (`openai`), from a local file, or
are random. Random weights are the same for every run, as published ones would be: a run's seed does not touch them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.clip_weights import RANDOM_WEIGHTS_SEED, state_hash, tower_state
from mmvad.models.layout import join, pick
from mmvad.models.sentence_tree import SentenceForest

CONTEXT_LENGTH = 77
ARCHITECTURES = ("ViT-B-16-quickgelu", "tiny")
TINY = {"width": 64, "heads": 2, "layers": 2}
STEEPNESS = 1.702


class QuickGELU(nn.Module):
    """x * sigmoid(1.702 x), as in CLIP. [..., d] -> [..., d]."""

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_compiling():  # which fuses by itself, and then need not keep what is not an input
            return x * torch.sigmoid(STEEPNESS * x)
        return _QuickGELU.apply(x)


class _QuickGELU(torch.autograd.Function):
    """As silu(1.702 x) / 1.702, for which torch has one kernel a direction: written out it is three and five."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        steep = x * STEEPNESS
        context.save_for_backward(steep)
        return F.silu(steep).div_(STEEPNESS)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        (steep,) = context.saved_tensors
        return torch.ops.aten.silu_backward(gradient, steep)


Change = Callable[[int, Tensor], Tensor]
"""From a block's number and what it gives, [N, T, width], to what the next one gets."""


class TextEncoder(nn.Module):
    """Sentences of embeddings to text features, through the frozen tower (gradients pass to the embeddings)."""

    tower: Any

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower.requires_grad_(False).eval()
        self.width: int = self.tower.token_embedding.embedding_dim
        self.output_width: int = self.tower.text_projection.shape[1]

    def train(self, mode: bool = True) -> TextEncoder:
        """Stays in evaluation mode: the tower is frozen."""
        del mode
        return super().train(False)

    def forward(self, embeddings: Tensor, end: Tensor) -> Tensor:
        """Features of the sentences at their EOS position, T of eq. 6.

        Args:
            embeddings: [N, T, width] without positions; T <= 77 may stop at the last EOS, since attention is causal.
            end: [N] position of each sentence's EOS.

        Returns: [N, output_width], not normalised.
        """
        return self.unprojected(embeddings, end) @ self.tower.text_projection

    def unprojected(self, embeddings: Tensor, end: Tensor, change: Change | None = None) -> Tensor:
        """What is projected to the features: [N, width]; `change` is put behind every block."""
        tower, length = self.tower, embeddings.shape[1]
        x = embeddings + tower.positional_embedding[:length].to(embeddings.dtype)
        for i, block in enumerate(tower.transformer.resblocks):
            x = _block(block, x, [tower.attn_mask[:length, :length]])
            x = x if change is None else change(i, x)
        return tower.ln_final(x[torch.arange(len(x), device=x.device), end])

    def encode_forest(self, embeddings: Tensor, forest: SentenceForest) -> Tensor:
        """Features of the sentences of a forest: what `forward` gives for each alone.

        Args:
            embeddings: [N, T, width] without positions, the forest's tokens for each of N.

        Returns: [N, C, output_width] for its C sentences, not normalised.
        """
        tower = self.tower
        x = to_stream_dtype(embeddings + tower.positional_embedding[forest.position].to(embeddings.dtype))
        *blocks, last = tower.transformer.resblocks
        masks = forest.masks("mask")
        for block in blocks:
            x = _block(block, x, masks)
        return tower.ln_final(_last_block(last, x, forest)) @ tower.text_projection

    def embed_tokens(self, tokens: Tensor) -> Tensor:
        """Token embeddings: int64 [..., T] -> [..., T, width]."""
        return self.tower.token_embedding(tokens)


def to_stream_dtype(x: Tensor) -> Tensor:
    """What goes from block to block: in bfloat16 on a GPU whose products are, where half the step waits for memory.

    What the tower gives is then 1.1 % away from single precision in place of 0.8 %, its gradients 1.3 % in place of
    0.9 % (random weights). Layer norms are computed in single precision all the same.
    """
    device = x.device.type
    if device == "cpu" or not torch.is_autocast_enabled(device):
        return x
    half = torch.get_autocast_dtype(device)
    return x.to(half) if half == torch.bfloat16 else x


def _block(block: Any, x: Tensor, masks: Sequence[Tensor]) -> Tensor:
    """One of the tower's blocks, CLIP's pre-norm transformer layer: [N, T, width] -> same."""
    seen = block.ln_1(x)
    x = x + _attend(block.attn, seen, seen, masks)
    return x + block.mlp(block.ln_2(x))


def _last_block(block: Any, x: Tensor, forest: SentenceForest) -> Tensor:
    """The tower's last block where only the EOS are read: [N, T, width] -> [N, C, width]."""
    seen = block.ln_1(x)
    asking = pick(seen, forest.end, 1)
    ends = pick(x, forest.end, 1) + _attend(block.attn, asking, seen, forest.masks("end_mask"))
    return ends + block.mlp(block.ln_2(ends))


def _attend(attention: Any, asking: Tensor, seen: Tensor, masks: Sequence[Tensor]) -> Tensor:
    """What nn.MultiheadAttention computes of [N, Q, width] over [N, T, width], without its copies to and fro.

    Both hold one tree after the other; each has a mask [q, s] of its own, whose tokens see nothing of the others.
    """
    width, heads = seen.shape[-1], attention.num_heads
    weight, bias = attention.in_proj_weight, attention.in_proj_bias
    if asking is seen:
        inputs = F.linear(seen, weight, bias).chunk(3, dim=-1)
    else:
        others = F.linear(seen, weight[width:], bias[width:]).chunk(2, dim=-1)
        inputs = (F.linear(asking, weight[:width], bias[:width]), *others)
    query, key, value = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in inputs)
    found = _by_tree(query, key, value, [mask.to(query.dtype) for mask in masks])
    return attention.out_proj(found.transpose(1, 2).flatten(2))


def _by_tree(query: Tensor, key: Tensor, value: Tensor, masks: Sequence[Tensor]) -> Tensor:
    """softmax(q k^T / sqrt(d) + mask) v of tree after tree: [N, heads, Q or T, d] -> [N, heads, Q, d]."""
    asked, seen = zip(*(mask.shape for mask in masks), strict=True)
    parts = zip(query.split(asked, 2), key.split(seen, 2), value.split(seen, 2), masks, strict=True)
    return join([F.scaled_dot_product_attention(q, k, v, attn_mask=mask) for q, k, v, mask in parts], dim=2)


def build_text_encoder(architecture: str, weights: str, output_width: int | None = None) -> TextEncoder:
    """The text encoder of `model.text`.

    Args:
        architecture: `ViT-B-16-quickgelu` (12 layers, width 512, to 512) or `tiny` (2 layers, width 64).
        weights: `random`, a name that open_clip knows (`openai`), or a local checkpoint file.
        output_width: width of the features; only `tiny` can be given another than its own (512).

    Raises UserError where the weights cannot be had.
    """
    tower = _tower(architecture, output_width)
    if weights != "random":
        state = tower_state(architecture, weights, tower.state_dict(), "text", "model.text.weights")
        tower.load_state_dict(state)
    return TextEncoder(tower.float())


def weights_hash(encoder: TextEncoder) -> str:
    """SHA-256 of the tower's weights: part of a run's identity, whatever file they came from."""
    return state_hash(encoder.tower)


def tokenize(texts: list[str]) -> Tensor:
    """CLIP's tokens with SOS and EOS, padded with 0: int64 [N, 77]."""
    return _tokenizer()(texts)


@cache
def _tokenizer() -> Any:
    """open_clip's; its list of merges takes a tenth of a second to read."""
    from open_clip import get_tokenizer

    return get_tokenizer("ViT-B-16-quickgelu")


def _tower(architecture: str, output_width: int | None) -> nn.Module:
    from open_clip.transformer import TextTransformer

    sizes = TINY if architecture == "tiny" else {"width": 512, "heads": 8, "layers": 12}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_WEIGHTS_SEED)
        return TextTransformer(
            context_length=CONTEXT_LENGTH, output_dim=output_width or 512, act_layer=QuickGELU, **sizes
        )
