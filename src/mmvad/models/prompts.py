"""Prompt sentences with learned vectors (eq. 5) and the abnormal-aware context prompt that steers them (eq. 6)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmvad.errors import UserError
from mmvad.models.sentence_tree import grow_forest
from mmvad.models.text_encoder import QuickGELU, TextEncoder


class FeedForward(nn.Sequential):
    """d -> 4d -> d with QuickGELU. [..., d] -> [..., d]."""

    def __init__(self, width: int, *, zero_last: bool = False) -> None:
        last = nn.Linear(4 * width, width)
        if zero_last:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        super().__init__(nn.Linear(width, 4 * width), QuickGELU(), last)


class PromptSentences(nn.Module):
    """[SOS][v_1..v_M/2][class tokens][v_M/2+1..v_M][EOS] for every class; v is shared by all classes (eq. 5).

    Sentences are cut after the longest EOS position, which changes no feature, where the tower is causal and pools at
    EOS; else they are whole. A tower whose texts have no SOS has none here.
    """

    end: Tensor
    frozen: Tensor
    learned: Tensor
    real: Tensor

    def __init__(self, encoder: TextEncoder, prompts: Sequence[str], prompt_half: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(2 * prompt_half, encoder.width).normal_(std=0.01))
        length = None if encoder.ends_at_eos else encoder.context_length
        *names, empty = encoder.tokenize([*prompts, ""])
        tokens, slot, end = sentence_layout(torch.stack(names), prompt_half, empty, length)
        _check_length(prompts, end, encoder.context_length)
        named = {"end": end}
        if encoder.ends_at_eos:
            self.forest = grow_forest(end, _alike(torch.stack(names), empty) + prompt_half)
            tokens, slot = (x[self.forest.sentence, self.forest.position] for x in (tokens, slot))
        else:
            self.shape = tokens.shape
            named["real"] = (tokens != encoder.tower.pad_id) | (slot >= 0)
            tokens, slot = tokens.flatten(), slot.flatten()
        with torch.no_grad():
            frozen = encoder.embed_tokens(tokens)
        named |= {
            "frozen": frozen * (slot < 0).unsqueeze(-1),
            "learned": (slot.unsqueeze(1) == torch.arange(2 * prompt_half)).float(),
        }
        for name, value in named.items():
            self.register_buffer(name, value, persistent=False)

    def encoded(self, encoder: TextEncoder, shift: Tensor | None = None) -> Tensor:
        """Text features of all sentences, [1, C, d], or [B, C, d] with a shift a video; what they share, done once.

        Args:
            shift: [B, width], added to every v.
        """
        vectors = self.vectors.unsqueeze(0) if shift is None else self.vectors + shift.unsqueeze(1)
        embeddings = self.embeddings(vectors)
        if encoder.ends_at_eos:
            return encoder.encode_forest(embeddings, self.forest)
        return encoder.encode_whole(embeddings.unflatten(1, self.shape), self.end, self.real)

    def embeddings(self, vectors: Tensor) -> Tensor:
        """What stands at the sentences' tokens: of class names, SOS and EOS the frozen ones, else a learned vector.

        [N, M, width] -> [N, T, width], of the forest or of one whole sentence after the other: by a product with ones
        and zeros, whose gradient needs no sorting.
        """
        with torch.autocast(vectors.device.type, enabled=False):
            return self.frozen + self.learned @ vectors.float()


def sentence_layout(
    tokens: Tensor, prompt_half: int, empty: Tensor | None = None, length: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Where class tokens and learned vectors stand.

    Args:
        tokens: [C, T_most] of the class names alone.
        empty: [T_most] of the empty text, which says what stands before a name and behind it: SOS, EOS, padding. By
            default CLIP's.
        length: of the sentences; without it they stop at the longest EOS.

    Returns: tokens [C, T] with SOS, the class name, EOS and padding in their places, 0 where a vector stands; slot
    [C, T], the learned vector's index or -1; end [C], the EOS position.
    """
    empty = _clips_empty(tokens) if empty is None else empty
    start = _alike(tokens, empty)
    names = [row[start : start + _words(row[start:], empty[start:])] for row in tokens]
    end = torch.tensor([start + 2 * prompt_half + len(name) for name in names])
    placed = empty[-1].repeat(len(names), max(int(end.max()) + 1, length or 0))
    slot = torch.full_like(placed, -1)
    for c, name in enumerate(names):
        first, second = start + prompt_half, start + prompt_half + len(name)
        behind = empty[start : start + placed.shape[1] - int(end[c])]
        placed[c, :start] = empty[:start]
        placed[c, start : end[c]] = 0
        placed[c, first:second] = name
        placed[c, end[c] : end[c] + len(behind)] = behind
        slot[c, start:first] = torch.arange(prompt_half)
        slot[c, second : end[c]] = torch.arange(prompt_half, 2 * prompt_half)
    return placed, slot, end


def _clips_empty(tokens: Tensor) -> Tensor:
    """SOS, EOS, and padding: of rows that have all of them."""
    empty = torch.zeros_like(tokens[0])
    empty[0], empty[1] = tokens[0, 0], tokens.max()
    return empty


def _alike(rows: Tensor, empty: Tensor) -> int:
    """How many tokens all texts begin with."""
    return int((rows == empty).all(dim=0).int().cumprod(dim=0).sum())


def _words(row: Tensor, empty: Tensor) -> int:
    """How many tokens stand in a text before what an empty one holds."""
    fits = (count for count in range(len(row)) if torch.equal(row[count:], empty[: len(row) - count]))
    return next(fits, len(row))


def _check_length(prompts: Sequence[str], end: Tensor, most: int) -> None:
    longest = int(end.argmax())
    if int(end[longest]) >= most:
        problem = f"with it the sentence of {prompts[longest]!r} has {int(end[longest]) + 1} tokens"
        raise UserError("model.prompt_half", problem, expected=f"at most {most}, as the text tower reads")


class ContextPrompt(nn.Module):
    """The abnormal-aware context prompt: xi = FFN(w) + w, one shift a video for all its learned vectors (eq. 6).

    CLIP's token embeddings have entries of 0.01-0.02 and w has norm 1, so the FFN starts at zero and a learned scale
    starts small: training begins on the text manifold. The FFN reads w through a layer norm: entries of 1 / sqrt(d)
    would let it learn d times slower than its neighbours.
    """

    def __init__(self, width: int, text_width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.ffn = FeedForward(width, zero_last=True)
        self.project = nn.Identity() if width == text_width else nn.Linear(width, text_width, bias=False)
        self.scale = nn.Parameter(torch.tensor(0.1))

    def forward(self, visual: Tensor) -> Tensor:
        """w [B, d] -> xi [B, text_width]."""
        return self.scale * self.project(self.ffn(self.norm(visual)) + visual)


class VisualPrompt(nn.Module):
    """The same visual vector behind the encoder: T <- T + FFN(w + T), on unit T (eq. 6, `acp: post`, `pre_post`).

    The FFN reads w + T through a layer norm, as in `ContextPrompt`.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.ffn = FeedForward(width, zero_last=True)

    def forward(self, text: Tensor, visual: Tensor) -> Tensor:
        """T [B or 1, C, d], w [B, d] -> [B, C, d]."""
        text = F.normalize(text, dim=-1)
        return text + self.ffn(self.norm(visual.unsqueeze(1) + text))


def anomaly_vector(features: Tensor, logits: Tensor, mask: Tensor, weighting: str) -> Tensor:
    """The anomaly-weighted visual vector w = normalise(sum_t a_t F_t) over valid segments (eq. 7).

    Args:
        features: F [B, L, d].
        logits: coarse logits [B, L]; a = sigmoid (`score`), the logit itself (`logit`) or its softmax (`softmax`).
        mask: bool [B, L], True on valid segments.

    Returns: [B, d] of norm 1.
    """
    if weighting == "softmax":
        weights = logits.masked_fill(~mask, float("-inf")).softmax(dim=1)
    else:
        weights = (torch.sigmoid(logits) if weighting == "score" else logits) * mask
    return F.normalize(torch.einsum("bl,bld->bd", weights, features), dim=-1)
