"""AVadCLIP 2025: facts and settings. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from mmvad.models.method import Method, Variant
from mmvad.sections import Count, NotNegative, Section


class AvadClipSettings(Section):
    network: Literal["teacher", "student"] = "teacher"
    """what is trained and scored: the audio-visual teacher, or in the second half of the epochs its visual student"""
    layers: Count = 2
    """attention layers of the teacher"""
    window: Count = 4
    """attention window of the teacher, in segments"""
    student_layers: Count = 1
    """attention layers of the student"""
    student_window: Count = 64
    """attention window of the student, in segments"""
    prompt_half: Annotated[int, Field(ge=1, le=32)] = 10
    """learned prompt vectors on either side of the class name"""
    weighting: Literal["score", "logit"] = "logit"
    """what weighs the visual prompt: the public code's logits, or scores, as runs from before this key have it"""
    learned_focus: bool = False
    """the focal loss's class weights are learned, as in the public code, instead of 0.25"""
    lambda_embed: NotNegative = 1e-4
    """weight of the embedding constraint"""
    lambda_distil: NotNegative = 1e-8
    """weight of the student's distillation loss"""


METHOD = Method(
    title="AVadCLIP 2025",
    year=2025,
    modalities=("vat",),
    classes=True,
    published="AVadCLIP",
    settings=AvadClipSettings,
    positions_end_at_length=True,
    switches={
        "peers.avadclip.learned_focus": True,
        "peers.avadclip.network": "student",
        "peers.avadclip.weighting": "score",
    },
    later_keys={"weighting": "score"},
    published_scores={"ap": "fine"},
    variants=(
        Variant(
            key="peers.avadclip.network",
            value="student",
            title="AVadCLIP student 2025",
            published="AVadCLIP student",
            modalities="vt",
            unmeasured={"trainable_parameters": "the runs count its teacher's parameters too"},
        ),
    ),
)
