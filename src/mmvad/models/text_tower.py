"""open_clip's text towers by name: which there are, which sentences they take, and their plain form from embeddings."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.errors import UserError
from mmvad.models.clip_weights import RANDOM_WEIGHTS_SEED
from mmvad.models.open_clip_models import model_config

WHERE = "model.text.architecture"
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


def build_text_tower(architecture: str, output_width: int | None = None) -> nn.Module:
    """open_clip's `TextTransformer` of that name, with random weights, the same ones everywhere.

    Args:
        output_width: of the features of `tiny`; the others have their own.

    Raises UserError for a name that open_clip does not know, and for a tower that prompts cannot be learned through.
    """
    from open_clip.model import _build_text_tower

    config = model_config(architecture, WHERE)
    text, width = config["text_cfg"], config["embed_dim"]
    if hugging_face := text.get("hf_model_name"):
        raise UserError(
            f"{WHERE}: {architecture}",
            f"its text tower is {hugging_face!r} of Transformers, which takes tokens and no learned vectors",
            expected="a model whose text tower is open_clip's own transformer",
            fix=f"set {WHERE} to another model; the picture's features of this one can be used without texts",
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_WEIGHTS_SEED)
        width = output_width or width if architecture == "tiny" else width
        tower = _build_text_tower(width, text, bool(config.get("quick_gelu")))
    return with_fast_activation(tower)


def with_fast_activation(tower: nn.Module) -> nn.Module:
    """The tower, with QuickGELU in one kernel where it has open_clip's."""
    from open_clip.transformer import QuickGELU as Theirs

    for module in list(tower.modules()):
        for name, child in module.named_children():
            if isinstance(child, Theirs):
                setattr(module, name, QuickGELU())
    return tower


def ends_at_eos(tower: Any) -> bool:
    """Whether a text is its EOS, which sees what stands before it and nothing else.

    Then texts may be cut after it, and what stands before their first difference is the same for all of them. It asks
    for causal attention without further masks, in blocks of CLIP's form.
    """
    from open_clip.transformer import ResidualAttentionBlock

    causal = tower.attn_mask is not None and tower.cls_emb is None and not tower.use_pad_mask
    plain = all(
        isinstance(block, ResidualAttentionBlock)
        and isinstance(block.attn, nn.MultiheadAttention)
        and isinstance(block.ls_1, nn.Identity)
        and isinstance(block.ls_2, nn.Identity)
        for block in tower.transformer.resblocks
    )
    return causal and plain and tower.pool_type in ("argmax", "eos")


def projected(tower: Any, x: Tensor) -> Tensor:
    """The features of pooled tokens: [..., width] -> [..., output_width]."""
    x = tower.ln_final(x)
    if tower.text_projection is None:
        return x
    return tower.text_projection(x) if isinstance(tower.text_projection, nn.Linear) else x @ tower.text_projection


def whole_sentences(tower: Any, embeddings: Tensor, end: Tensor, real: Tensor) -> Tensor:
    """What `tower.forward` gives of whole sentences, read from embeddings instead of tokens.

    Args:
        embeddings: [N, T, width] without positions, of T = context_length tokens.
        end: [N] position of each sentence's EOS.
        real: bool [N, T], False on padding, which some towers leave out.

    Returns: [N, output_width], not normalised.
    """
    x = embeddings
    if tower.cls_emb is not None:
        x = torch.cat([x, tower.cls_emb.to(x.dtype).expand(len(x), 1, -1)], dim=1)
    length = x.shape[1]
    x = tower.transformer(x + tower.positional_embedding[:length].to(x.dtype), attn_mask=_mask(tower, real, length, x))
    if tower.cls_emb is not None or tower.pool_type == "last":
        return projected(tower, x[:, -1])
    return projected(tower, x[:, 0] if tower.pool_type == "first" else x[torch.arange(len(x), device=x.device), end])


def _mask(tower: Any, real: Tensor, length: int, x: Tensor) -> Tensor | None:
    """What is added to the attention's logits: [T, T], or [N heads, T, T] where padding is left out; or nothing."""
    causal = tower.attn_mask
    if not tower.use_pad_mask and tower.cls_emb is None:
        return None if causal is None else causal[:length, :length]
    if tower.cls_emb is not None:  # which the published weights have one place too far left
        own = real.new_ones(len(real), 1)
        real = torch.cat([real, own] if tower.correct_cls_mask else [own, real], dim=1)
    seen = torch.zeros(real.shape, device=x.device, dtype=x.dtype).masked_fill(~real, float("-inf"))
    mask = seen[:, None].expand(-1, length, -1).repeat_interleave(tower.heads, 0)
    return mask if causal is None else mask + causal[:length, :length]
