"""The tokens that a text tower was trained on: CLIP's, or those of a tokenizer of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmvad.errors import UserError
from mmvad.models.clip_weights import is_path
from mmvad.models.open_clip_models import model_config
from mmvad.models.text_tower import WHERE

Tokenize = Callable[[list[str]], Tensor]
"""Texts to int64 [N, context_length]."""
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "spiece.model", "vocab.txt")
_RESERVED = 4
"""Ids that tokenizers keep for EOS, padding and the like."""


def tokenize(texts: list[str]) -> Tensor:
    """CLIP's tokens with SOS and EOS, padded with 0: int64 [N, 77]."""
    return _clips()(texts)


def has_clips_tokens(architecture: str) -> bool:
    """Whether a model's texts are CLIP's tokens."""
    return "hf_tokenizer_name" not in model_config(architecture, WHERE)["text_cfg"]


def tokenizer_of(architecture: str, weights: str) -> Tokenize:
    """The tokenizer of a model's text tower.

    One that is not CLIP's lies beside the file of weights, or is fetched by its name. Random weights know no words:
    they read CLIP's tokens, folded into their vocabulary, and need no tokenizer.
    Raises UserError where it cannot be had.
    """
    text = model_config(architecture, WHERE)["text_cfg"]
    length = text.get("context_length", 77)
    if has_clips_tokens(architecture):
        clips = _clips()
        return lambda texts: clips(texts, context_length=length)
    if weights == "random":
        return lambda texts: _folded(texts, text, length)
    return _own(architecture, weights, text, length)


def _own(architecture: str, weights: str, text: dict[str, Any], length: int) -> Tokenize:
    import open_clip

    folder = Path(weights).parent if is_path(weights) else None
    beside = folder and any((folder / name).is_file() for name in TOKENIZER_FILES)
    try:
        if beside:
            options = text.get("tokenizer_kwargs", {})
            found = open_clip.tokenizer.HFTokenizer(str(folder), context_length=length, **options)
            found(["a text"])  # what lacks its padding says so only when it is used
            return found
        return open_clip.get_tokenizer(architecture)
    except ImportError as error:
        problem = f"its tokenizer is read by the package {error.name or 'transformers'}, which is not installed"
        raise UserError(
            f"{WHERE}: {architecture}", problem, fix="pip install 'mmvad[clap]' (or: pip install transformers)"
        ) from error
    except Exception as error:
        raise UserError(
            f"{WHERE}: {architecture}",
            f"its tokenizer {text['hf_tokenizer_name']!r} cannot be had{f' from {folder}' if beside else ''} "
            f"({type(error).__name__}: {str(error).strip().partition(chr(10))[0][:120]})",
            expected="a network; or its files, tokenizer.json and tokenizer_config.json, beside the file of weights",
            fix="fetch them from the repository that the weights come from, and set model.text.weights to their path",
        ) from error


def _folded(texts: list[str], text: dict[str, Any], length: int) -> Tensor:
    """CLIP's tokens in the form that SigLIP's have: the words, EOS, padding."""
    eos, pad, vocabulary = text.get("eos_id", 2), text.get("pad_id", 0), text.get("vocab_size", 49408)
    found = torch.full((len(texts), length), pad)
    for row, tokens in zip(found, tokenize(texts), strict=True):
        words = tokens[1 : int(tokens.argmax())][: length - 1]
        row[: len(words)] = _RESERVED + words % (vocabulary - _RESERVED)
        row[len(words)] = eos
    return found


@cache
def _clips() -> Any:
    """open_clip's; its list of merges takes a tenth of a second to read."""
    from open_clip import get_tokenizer

    return get_tokenizer("ViT-B-16-quickgelu")
