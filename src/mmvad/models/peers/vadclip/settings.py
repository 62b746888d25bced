"""VadCLIP 2024: facts and settings. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mmvad.models.method import Method
from mmvad.sections import Count, NotNegative, Section


class VadClipSettings(Section):
    layers: Count = 1
    """attention layers"""
    window: Count = 64
    """attention window, in segments; windows do not overlap"""
    prompt_half: Annotated[int, Field(ge=1, le=32)] = 10
    """learned prompt vectors on either side of the class name"""
    weighting: Literal["score", "logit"] = "score"
    """what weighs the visual prompt: the paper's scores, or the public code's logits"""
    distance: Literal["kernel", "softmax"] = "kernel"
    """distance graph: exp(-|i - j| / e) as in the public code, or the paper's softmax of -|i - j|"""
    class_names: Literal["words", "published"] = "words"
    """what stands in the prompts: names as words, or the public code's, whose UCF-Crime has `roadAccidents`"""
    lambda_embed: NotNegative = 1e-4
    """weight of the embedding constraint"""


METHOD = Method(
    title="VadCLIP 2024",
    year=2024,
    place=1,
    modalities=("vt",),
    classes=True,
    published="VadCLIP",
    settings=VadClipSettings,
    positions_end_at_length=True,
    switches={
        "peers.vadclip.weighting": "logit",
        "peers.vadclip.distance": "softmax",
        "peers.vadclip.class_names": "published",
    },
    later_keys={"class_names": "words"},
    published_scores={"ap": "fine", "auc": "coarse"},
)
