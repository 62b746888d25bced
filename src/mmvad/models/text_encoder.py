"""A text tower of open_clip, frozen, read from embeddings instead of tokens so that prompts can be learned through it.

The architecture is open_clip's; no image tower is ever built. Weights come by name (`openai`), from a local file, or
are random. Random weights are the same for every run, as published ones would be: a run's seed does not touch them.

CLIP's towers are causal and read a text at its EOS. Such texts are cut after the longest EOS, and what they share is
computed once. SigLIP's and some others' see what follows, padding included: their sentences are whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.models.clip_weights import state_hash, tower_state
from mmvad.models.layout import join, pick
from mmvad.models.open_clip_models import check_activation
from mmvad.models.sentence_tree import SentenceForest
from mmvad.models.text_tokens import Tokenize, has_clips_tokens, tokenizer_of
from mmvad.models.text_tokens import tokenize as tokenize  # methods import these two from here
from mmvad.models.text_tower import WHERE, build_text_tower, ends_at_eos, projected, whole_sentences
from mmvad.models.text_tower import QuickGELU as QuickGELU

CONTEXT_LENGTH = 77
"""Of CLIP's texts, in tokens."""


Change = Callable[[int, Tensor], Tensor]
"""From a block's number and what it gives, [N, T, width], to what the next one gets."""


class TextEncoder(nn.Module):
    """Sentences of embeddings to text features, through the frozen tower (gradients pass to the embeddings).

    Attributes:
        width, output_width: of its tokens and of its features.
        context_length: the most tokens of a text.
        ends_at_eos: whether texts may be cut after their EOS, and share what they have in common.
        as_clip: whether texts are also made as CLIP's are: of its tokens, 77 at most.
        tokenize: texts to int64 [N, context_length].
    """

    tower: Any

    def __init__(self, tower: nn.Module, tokenize: Tokenize = tokenize, *, clips_tokens: bool = True) -> None:
        super().__init__()
        self.tower = tower.requires_grad_(False).eval()
        self.tokenize = tokenize
        self.width: int = self.tower.token_embedding.embedding_dim
        self.context_length: int = self.tower.context_length
        self.output_width = projected(self.tower, torch.zeros(1, self.width)).shape[1]
        self.ends_at_eos = ends_at_eos(self.tower)
        self.as_clip = clips_tokens and self.ends_at_eos and self.context_length == CONTEXT_LENGTH

    def train(self, mode: bool = True) -> TextEncoder:
        """Stays in evaluation mode: the tower is frozen."""
        del mode
        return super().train(False)

    def forward(self, embeddings: Tensor, end: Tensor) -> Tensor:
        """Features of the sentences at their EOS position, T of eq. 6.

        Args:
            embeddings: [N, T, width] without positions; T may stop at the last EOS, since attention is causal.
            end: [N] position of each sentence's EOS.

        Returns: [N, output_width], not normalised. Only for towers that end at EOS.
        """
        return projected(self.tower, self._pooled(embeddings, end))

    def unprojected(self, embeddings: Tensor, end: Tensor, change: Change | None = None) -> Tensor:
        """What is projected to the features: [N, width]; `change` is put behind every block."""
        return self.tower.ln_final(self._pooled(embeddings, end, change))

    def _pooled(self, embeddings: Tensor, end: Tensor, change: Change | None = None) -> Tensor:
        tower, length = self.tower, embeddings.shape[1]
        x = embeddings + tower.positional_embedding[:length].to(embeddings.dtype)
        for i, block in enumerate(tower.transformer.resblocks):
            x = _block(block, x, [tower.attn_mask[:length, :length]])
            x = x if change is None else change(i, x)
        return x[torch.arange(len(x), device=x.device), end]

    def encode_forest(self, embeddings: Tensor, forest: SentenceForest) -> Tensor:
        """Features of the sentences of a forest: what `forward` gives for each alone. Only for towers that end at EOS.

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
        return projected(tower, _last_block(last, x, forest))

    def encode_whole(self, embeddings: Tensor, end: Tensor, real: Tensor) -> Tensor:
        """Features of whole sentences, for any tower: what open_clip's `encode_text` gives.

        Args:
            embeddings: [N, C, T, width] without positions, T the context length.
            end: [C] position of each sentence's EOS.
            real: bool [C, T], False on padding.

        Returns: [N, C, output_width], not normalised.
        """
        count = len(embeddings)
        rows = whole_sentences(self.tower, embeddings.flatten(0, 1), end.repeat(count), real.repeat(count, 1))
        return rows.unflatten(0, embeddings.shape[:2])

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
        architecture: a name of `open_clip.list_models()`, or `tiny` (2 layers, width 64).
        weights: `random`, a name that open_clip knows (`openai`), or a local checkpoint file.
        output_width: width of the features; only `tiny` can be given another than its own (512).

    Raises UserError where the weights or their tokenizer cannot be had, and for towers without learned prompts.
    """
    if weights != "random":
        check_activation(architecture, weights, WHERE)
    tower = build_text_tower(architecture, output_width)
    if weights != "random":
        state = tower_state(architecture, weights, tower.state_dict(), "text", "model.text.weights")
        tower.load_state_dict(state)
    tokenizer = tokenizer_of(architecture, weights)
    return TextEncoder(tower.float(), tokenizer, clips_tokens=has_clips_tokens(architecture))


def weights_hash(encoder: TextEncoder) -> str:
    """SHA-256 of the tower's weights: part of a run's identity, whatever file they came from."""
    return state_hash(encoder.tower)
