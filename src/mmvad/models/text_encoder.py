"""CLIP's text tower, frozen, read from embeddings instead of tokens so that prompts can be learned through it.

The architecture is open_clip's; no image tower is ever built. Weights come by name (`openai`), from a local file, or
are random. Random weights are the same for every run, as published ones would be: a run's seed does not touch them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.errors import UserError
from mmvad.models.sentence_tree import SentenceTree

CONTEXT_LENGTH = 77
ARCHITECTURES = ("ViT-B-16-quickgelu", "tiny")
TINY = {"width": 64, "heads": 2, "layers": 2}
RANDOM_WEIGHTS_SEED = 0
STEEPNESS = 1.702


class QuickGELU(nn.Module):
    """x * sigmoid(1.702 x), as in CLIP. [..., d] -> [..., d]."""

    def forward(self, x: Tensor) -> Tensor:
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
        """Features of the sentences at their EOS position, eq. 5.

        Args:
            embeddings: [N, T, width] without positions; T <= 77 may stop at the last EOS, since attention is causal.
            end: [N] position of each sentence's EOS.

        Returns: [N, output_width], not normalised.
        """
        tower, length = self.tower, embeddings.shape[1]
        x = embeddings + tower.positional_embedding[:length].to(embeddings.dtype)
        x = tower.transformer(x, attn_mask=tower.attn_mask[:length, :length])
        x = x[torch.arange(len(x), device=x.device), end]
        return tower.ln_final(x) @ tower.text_projection

    def encode_tree(self, embeddings: Tensor, tree: SentenceTree) -> Tensor:
        """Features of the sentences of a tree: what `forward` gives for each alone.

        Args:
            embeddings: [N, S, width] without positions, the tree's tokens for each of N.

        Returns: [N, c, output_width] for the tree's c sentences, not normalised.
        """
        tower = self.tower
        x = embeddings + tower.positional_embedding[tree.place].to(embeddings.dtype)
        *blocks, last = tower.transformer.resblocks
        for block in blocks:
            x = block(x, attn_mask=tree.mask)
        return tower.ln_final(_last_block(last, x, tree)) @ tower.text_projection

    def embed_tokens(self, tokens: Tensor) -> Tensor:
        """Token embeddings: int64 [..., T] -> [..., T, width]."""
        return self.tower.token_embedding(tokens)


def _last_block(block: Any, x: Tensor, tree: SentenceTree) -> Tensor:
    """The tower's last block where only the EOS are read: [N, S, width] -> [N, c, width]."""
    seen, ends = block.ln_1(x), x[:, tree.end]
    ends = ends + block.ls_1(block.attention(seen[:, tree.end], seen, seen, attn_mask=tree.mask[tree.end]))
    return ends + block.ls_2(block.mlp(block.ln_2(ends)))


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
        tower.load_state_dict(_text_state(architecture, weights, tower.state_dict()))
    return TextEncoder(tower.float())


def weights_hash(encoder: TextEncoder) -> str:
    """SHA-256 of the tower's weights: part of a run's identity, whatever file they came from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(encoder.tower.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def tokenize(texts: list[str]) -> Tensor:
    """CLIP's tokens with SOS and EOS, padded with 0: int64 [N, 77]."""
    from open_clip import get_tokenizer

    return get_tokenizer("ViT-B-16-quickgelu")(texts)


def _tower(architecture: str, output_width: int | None) -> nn.Module:
    from open_clip.transformer import TextTransformer

    sizes = TINY if architecture == "tiny" else {"width": 512, "heads": 8, "layers": 12}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_WEIGHTS_SEED)
        return TextTransformer(
            context_length=CONTEXT_LENGTH, output_dim=output_width or 512, act_layer=QuickGELU, **sizes
        )


def _text_state(architecture: str, weights: str, wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """The text tower's part of a CLIP checkpoint, in the tower's own names and shapes."""
    state = _read_file(Path(weights)) if _is_path(weights) else _fetch(architecture, weights)
    state = {
        name.removeprefix("text."): tensor
        for name, tensor in state.items()
        if isinstance(tensor, Tensor) and not name.startswith("visual.")
    }
    wrong = [n for n, t in wanted.items() if n not in state or state[n].shape != t.shape]
    if wrong:
        found = f"has shape {tuple(state[wrong[0]].shape)}" if wrong[0] in state else "is absent"
        raise UserError(
            f"model.text.weights: {weights}",
            f"{len(wrong)} of {len(wanted)} text weights do not fit {architecture}; {wrong[0]!r} {found}",
            expected=f"{wrong[0]!r} of shape {tuple(wanted[wrong[0]].shape)}",
            fix="give the checkpoint of that architecture, or change model.text.architecture",
        )
    return {name: state[name].float() for name in wanted}


def _is_path(weights: str) -> bool:
    return "/" in weights or Path(weights).suffix in {".pt", ".pth", ".bin", ".safetensors"} or Path(weights).exists()


def _read_file(path: Path) -> dict[str, Tensor]:
    """State of a local checkpoint: open_clip's (.pt, .bin, .safetensors) or OpenAI's TorchScript archive."""
    if not path.is_file():
        raise UserError(
            f"model.text.weights: {path}",
            "no such file",
            expected="a CLIP ViT-B/16 checkpoint (open_clip's .safetensors or .pt, or OpenAI's ViT-B-16.pt)",
            fix="correct the path, or set model.text.weights=openai where there is a network",
        )
    from open_clip.factory import load_state_dict

    try:
        return load_state_dict(str(path))
    except Exception as first:
        try:
            return torch.jit.load(str(path), map_location="cpu").state_dict()
        except Exception:
            raise UserError(
                f"model.text.weights: {path}",
                f"cannot be read as weights ({type(first).__name__})",
                expected="a state dict that torch reads with weights_only=True, .safetensors, or OpenAI's archive",
                fix="download the file again; a checkpoint that needs pickled code is never loaded",
            ) from first


def _fetch(architecture: str, name: str) -> dict[str, Tensor]:
    """State of weights that open_clip publishes under a name; needs a network or a filled cache."""
    import open_clip

    known = open_clip.list_pretrained_tags_by_model(architecture)
    if name not in known:
        raise UserError(
            "model.text.weights",
            f"{name!r} is no published weights of {architecture}",
            expected=f"random, a local path{', or one of ' + ', '.join(known) if known else ''}",
        )
    try:
        return open_clip.create_model(architecture, pretrained=name).state_dict()
    except Exception as error:
        raise UserError(
            "model.text.weights",
            f"{name!r} could not be fetched for {architecture} ({type(error).__name__})",
            expected="a network, or weights fetched before",
            fix="fetch open_clip's ViT-B-16 'openai' file elsewhere (open_clip_model.safetensors of "
            "timm/vit_base_patch16_clip_224.openai at Hugging Face) and set model.text.weights to its path",
        ) from error
