"""S3R 2022: RTFM on what a dictionary of normal features cannot rebuild."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mmvad.models.layout import choose_layout
from mmvad.models.losses.mil import binary_cross_entropy
from mmvad.models.model import Batch, Model, Scores
from mmvad.models.peers.magnitude import (
    MultiScaleTemporal,
    Selected,
    check_width,
    head,
    magnitude_losses,
    scored,
    select,
    with_total,
    xavier,
)
from mmvad.models.peers.offline import normal_features, scikit_learn
from mmvad.models.peers.s3r.settings import S3rSettings
from mmvad.models.setting import Setting

NONZERO = 2
STEPS, STEP_SIZE, SEED = 100, 32, 42
"""Mini-batches of channels that the dictionary is learned in, their size, and what they are shuffled by."""


class Output(NamedTuple):
    """`selected` as in RTFM, of what is not normal; `rest` m [V], the score of what was taken out."""

    selected: Selected
    rest: Tensor


class Rebuild(nn.Module):
    """R = softmax(q(x) k(M)^T) v(M), not scaled: the video out of the dictionary. [R, d], [S, d] -> [R, d]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, n) for n in (width // 4, width // 4, width))

    def forward(self, x: Tensor, dictionary: Tensor) -> Tensor:
        attention = (self.query(x) @ self.key(dictionary).T).softmax(dim=-1)
        return attention @ self.value(dictionary)


class S3r(Model[Output]):
    """a = Drop(MTN(x)), b = Drop(MTN(R)); a channel gate g of mean a - mean b passes g a on, and takes (1 - g) b out.

    `dictionary` M [S, d] is learned from the normal videos before training.
    """

    one_graph = True
    fitted = ("dictionary",)
    dictionary: Tensor

    def __init__(self, width: int, settings: S3rSettings) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("dictionary", torch.zeros(0, width))
        self.rebuild = Rebuild(width)
        self.video, self.normal = (MultiScaleTemporal(width, groups=True) for _ in range(2))
        self.gate = nn.Sequential(nn.Linear(width, width // 16), nn.ReLU(), nn.Linear(width // 16, width), nn.Sigmoid())
        self.head, self.rest = (head(width, settings.dropout) for _ in range(2))
        self.dropout = nn.Dropout(settings.dropout)
        xavier(self)

    def fit_offline(self, batches: Iterable[Batch]) -> None:
        """Learns the dictionary from the normal videos, each averaged over crops and time."""
        videos = np.stack([rows.mean(axis=(0, 1)) for rows in normal_features(batches)])
        learned = learn_dictionary(videos, max(round(self.settings.atoms * len(videos)), NONZERO))
        self.dictionary = torch.from_numpy(learned).to(self.dictionary)

    def forward(self, batch: Batch) -> Output:
        layout, mask = choose_layout(batch.mask), batch.mask
        x = layout.rows(batch.visual)
        a = layout.dropout(self.video(x, layout), self.dropout)
        b = layout.dropout(self.normal(self.rebuild(x, self.dictionary), layout), self.dropout)
        mean_b = time_mean(layout.padded(b), mask)
        gate = self.gate(time_mean(layout.padded(a), mask) - mean_b)
        features = layout.of_videos(gate) * a
        scores = scored(self.head, features, layout)
        rest = self.rest((1 - gate) * mean_b).squeeze(-1).sigmoid()
        hidden = self.settings.dropout if self.training else 0.0
        selected = select(layout.padded(features), scores, batch, hidden)
        return Output(selected, rest.unflatten(0, (-1, batch.crops)).mean(dim=1))

    def losses(self, output: Output, batch: Batch) -> dict[str, Tensor]:
        """RTFM's four, and `rest`: what was taken out of any video is normal, the cross-entropy of m with 0."""
        terms = magnitude_losses(output.selected, batch, self.settings)
        rest = output.rest.float()
        return with_total(terms | {"rest": binary_cross_entropy(rest, torch.zeros_like(rest))}, self.settings)

    def scores(self, output: Output) -> Scores:
        return Scores(output.selected.scores.float(), None)


def learn_dictionary(videos: np.ndarray, atoms: int) -> np.ndarray:
    """M: the sparse codes of the channels, two atoms each, seen the other way round. [V, d] -> float32 [atoms, d].

    What is learned are `atoms` vectors over videos, by mini-batches of channels; a channel is then two of them (OMP).
    """
    channels, draw = videos.T.astype(np.float64), np.random.RandomState(SEED)
    learner = partial(
        scikit_learn("decomposition").MiniBatchDictionaryLearning,
        n_components=atoms,
        batch_size=STEP_SIZE,
        transform_algorithm="omp",
        transform_n_nonzero_coefs=NONZERO,
        random_state=draw,
        shuffle=False,
        tol=0.0,
        max_no_improvement=None,
    )
    start = learner(max_iter=0).fit(channels).components_
    # scikit-learn counts passes; one over the shuffled channels, again and again, has the steps that are wanted
    shown = draw.permutation(len(channels))[np.arange(STEPS * STEP_SIZE) % len(channels)]
    learned = learner(max_iter=1, dict_init=start).fit(channels[shown])
    return np.ascontiguousarray(learned.transform(channels).T, dtype=np.float32)


def time_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean over valid segments: [B, L, d], bool [B, L] -> [B, d]."""
    return (x * mask.unsqueeze(-1)).sum(dim=1) / mask.sum(dim=1, keepdim=True)


def build(setting: Setting, settings: S3rSettings) -> S3r:
    """S3R for a bank's pictures. Raises UserError where their width is no multiple of 32."""
    check_width(setting.visual_width, 32)
    return S3r(setting.visual_width, settings)
