"""The peers: facts about each comparison method, and its settings `peers.NAME.*`. No torch here.

Each method has a section of settings whose defaults are the published ones, and a line of facts in `PEERS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from mmvad.config.sections import (
    Count,
    NotNegative,
    Positive,
    Section,
    Share,
)


class Sultani(Section):
    dropout: Share = 0.6
    """behind the first two layers"""
    smooth_weight: NotNegative = 8e-5
    """of the squared steps between neighbouring scores of abnormal videos"""
    sparse_weight: NotNegative = 8e-5
    """of the sum of abnormal videos' scores"""


class HlNet(Section):
    dropout: Share = 0.6
    """after each layer of the fusion and of the graphs"""
    distillation_weight: NotNegative = 5.0
    """of what the graph branches teach the online head"""
    score: Literal["offline", "online"] = "offline"
    """which head is reported; the online one sees the past alone"""


class Magnitude(Section):
    """What RTFM and those that follow it share."""

    dropout: Share = 0.7
    """on features, in the head, and on the norms that select segments"""
    margin: NotNegative = 100.0
    """norm that the selected segments of abnormal videos shall reach"""
    margin_form: Literal["squared", "hinge"] = "squared"
    """squared sum over norms of means (code), or hinge on means of norms (paper)"""
    margin_weight: NotNegative = 1e-4
    """of the loss on norms"""
    smooth_weight: NotNegative = 8e-4
    """of the squared steps between neighbouring scores of abnormal videos"""
    sparse_weight: NotNegative = 8e-3
    """of the norm of all scores of abnormal videos"""


class Rtfm(Magnitude):
    pass


class S3r(Magnitude):
    atoms: Annotated[float, Field(gt=0, le=1)] = 0.5
    """of the dictionary, as a share of the normal training videos, r"""


class MacilSd(Section):
    dropout: Share = 0.1
    """in attention, behind it and in the feed-forward part"""
    contrast_weight: NotNegative = 1.5
    """of the contrastive terms at most; it gains 0.1 an epoch"""
    swapped: bool = False
    """as in the public training: a modality's scores pick rows of the other one"""


class Avvd(HlNet):
    fine_weight: NotNegative = 1.0
    """of the class loss"""


class UrDmu(Section):
    width: Annotated[int, Field(ge=4, multiple_of=4)] = 512
    """of the attention blocks and of the memories, four heads together"""
    dropout: Share = 0.5
    """behind attention and in the feed-forward parts"""


class Mgfn(Section):
    width: Count = 64
    """of the glance layers; the focus layers are 2 and 16 times as wide, and a head is this wide"""
    dropout: Share = 0.7
    """on the norms that select segments"""
    far_margin: NotNegative = 200.0
    """distance that the selected norms of abnormal and normal videos shall keep"""
    far_weight: NotNegative = 1e-6
    """of the squared hinge on that distance"""
    near_weight: NotNegative = 1e-3
    """of the squared distance between the selected norms of two videos of a kind"""
    smooth_weight: NotNegative = 8e-4
    """of the squared steps between neighbouring scores"""
    sparse_weight: NotNegative = 8e-3
    """of the norm of all scores of abnormal videos"""


class ClipTsa(Magnitude):
    kept: Annotated[float, Field(gt=0, le=1)] = 0.95
    """share of a video's segments that the gate lets pass, rho"""
    samples: Count = 100
    """noisy choices that a gate is the mean of, in training"""
    noise: Positive = 0.05
    """standard deviation of the noise on the gate's scores, sigma"""


class VadClip(Section):
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
    lambda_embed: NotNegative = 1e-4
    """weight of the embedding constraint"""


class Pel4Vad(Section):
    distance_weight: NotNegative = 0.06
    """w of the attention's distance term exp(-|w (i - j)^2 - b|) before training; published 0.6 on UCF-Crime"""
    distance_bias: NotNegative = 0.02
    """b of it; published 0.2 on UCF-Crime"""
    norm: Literal["none", "features", "time"] = "none"
    """power and L2 norm of what the attention reads: along features on UCF-Crime, along time in the public code"""
    kernel: Count = 3
    """rows that the causal scorer sees; published 9 on UCF-Crime"""
    temperature: Positive = 0.05
    """of the concept loss, before training; published 0.09 on UCF-Crime"""
    lambda_concepts: NotNegative = 1.0
    """weight of the concept loss"""


class Tpwng(Section):
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.2
    """weight of unlikeness to the normal text in the frame labels"""
    theta: Annotated[float, Field(ge=0, le=1)] = 0.35
    """what makes a frame abnormal; published 0.55 on UCF-Crime"""
    lambda_steps: NotNegative = 0.1
    """weight of the squared steps between neighbouring similarities"""
    lambda_sparsity: NotNegative = 0.01
    """weight of the summed similarities"""
    scale: Positive = 1.0
    """what similarities are multiplied with in the ranking losses; ours: CLIP's own is 100"""
    text_rate: Positive = 1.0
    """learning rate of the text side, as a multiple of the scorer's; ours"""
    vector_rate: Positive = 1.0
    """learning rate of the learned vectors, as a multiple of the text side's; ours"""
    labels: Literal["own", "contrast"] = "own"
    """frame labels: of the similarity with the video's class, or of that less the mean over abnormal classes (ours)"""


class AvadClip(Section):
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
    learned_focus: bool = False
    """the focal loss's class weights are learned, as in the public code, instead of 0.25"""
    lambda_embed: NotNegative = 1e-4
    """weight of the embedding constraint"""
    lambda_distil: NotNegative = 1e-8
    """weight of the student's distillation loss"""


class OneClassSvm(Section):
    outliers: Annotated[float, Field(gt=0, le=1)] = 0.1
    """share of the normal segments that may lie outside, nu"""
    samples: Annotated[int, Field(ge=2)] = 5000
    """normal segments that it is fitted on, drawn from the seed"""


class Peers(Section):
    """The settings of all peers; only those of `model.name` count, also for a run's identity."""

    sultani: Sultani = Sultani()
    hl_net: HlNet = HlNet()
    rtfm: Rtfm = Rtfm()
    s3r: S3r = S3r()
    macil_sd: MacilSd = MacilSd()
    avvd: Avvd = Avvd()
    ur_dmu: UrDmu = UrDmu()
    mgfn: Mgfn = Mgfn()
    clip_tsa: ClipTsa = ClipTsa()
    vadclip: VadClip = VadClip()
    pel4vad: Pel4Vad = Pel4Vad()
    tpwng: Tpwng = Tpwng()
    avadclip: AvadClip = AvadClip()
    one_class_svm: OneClassSvm = OneClassSvm()


@dataclass(frozen=True)
class Peer:
    """Facts about a method.

    Attributes:
        title: as tables print it.
        modalities: the values of `modalities` that it can be run with, its own first.
        pairs: it learns from pairs of an abnormal and a normal bag, so batches must be half and half.
        classes: it also says what happens, not only when.
        reconstruction: parts of it are inferred, since neither paper nor code says them; every table marks it.
        supervision: `weak`, `unsupervised`, or `none` for the floor.
        published: its name among the published figures; None where it has none.
    """

    title: str
    modalities: tuple[str, ...]
    pairs: bool = False
    classes: bool = False
    reconstruction: bool = False
    supervision: str = "weak"
    published: str | None = None


PEERS: dict[str, Peer] = {
    "sultani": Peer("Sultani et al. 2018", ("v",), pairs=True, published="Sultani et al."),
    "hl_net": Peer("HL-Net 2020", ("va", "v"), published="HL-Net (Wu et al.)"),
    "rtfm": Peer("RTFM 2021", ("v",), pairs=True, published="RTFM"),
    "s3r": Peer("S3R 2022", ("v",), pairs=True, published="S3R"),
    "macil_sd": Peer("MACIL-SD 2022", ("va",), published="MACIL-SD"),
    "avvd": Peer("AVVD 2022", ("va", "v"), classes=True, reconstruction=True, published="AVVD"),
    "ur_dmu": Peer("UR-DMU 2023", ("v", "va"), pairs=True, published="UR-DMU"),
    "mgfn": Peer("MGFN 2023", ("v",), pairs=True, published="MGFN"),
    "clip_tsa": Peer("CLIP-TSA 2023", ("v",), pairs=True, published="CLIP-TSA"),
    "vadclip": Peer("VadCLIP 2024", ("vt",), classes=True, published="VadCLIP"),
    "pel4vad": Peer("PEL4VAD 2024", ("vt",), published="PEL4VAD"),
    "tpwng": Peer("TPWNG 2024", ("vt",), pairs=True, reconstruction=True, published="TPWNG"),
    "avadclip": Peer("AVadCLIP 2025", ("vat",), classes=True, published="AVadCLIP"),
    "random_scores": Peer("Random scores", ("v",), supervision="none", published="Random"),
    "one_class_svm": Peer("One-class SVM", ("v",), supervision="unsupervised", published="OC-SVM"),
}
"""By `model.name`."""


SWITCHES: dict[str, dict[str, str | bool]] = {
    "hl_net": {"peers.hl_net.score": "online"},
    "rtfm": {"peers.rtfm.margin_form": "hinge"},
    "s3r": {"peers.s3r.margin_form": "hinge", "data.segments": "bins"},
    "macil_sd": {"peers.macil_sd.swapped": True},
    "avvd": {"peers.avvd.score": "online"},
    "clip_tsa": {"peers.clip_tsa.margin_form": "hinge"},
    "vadclip": {"peers.vadclip.weighting": "logit", "peers.vadclip.distance": "softmax"},
    "pel4vad": {"peers.pel4vad.norm": "time"},
    "tpwng": {"peers.tpwng.labels": "contrast"},
    "avadclip": {"peers.avadclip.learned_focus": True, "peers.avadclip.network": "student"},
}
"""By `model.name`, the values of its keys that make another reading of the method: every table marks a row with one."""
PUBLISHED_SCORES: dict[str, dict[str, str]] = {
    "avvd": {"ap": "coarse", "auc": "coarse"},
    "vadclip": {"ap": "fine", "auc": "coarse"},
    "avadclip": {"ap": "fine"},
}
"""By `model.name`, of which score a published figure is, where a method has several."""
