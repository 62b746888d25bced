"""The world of the planted benchmark: the directions in feature space that its videos share, and how a video is made.

To see, an event is a form in motion: the form is its class's, the motion goes this way or that along one direction. To
hear, it is a chord: two tones of equal strength, and the class's timbre. Benign are forms at rest, harmless forms in
motion, single tones of twice the strength, and glitches of one snippet. Motion has no mean and a doubled tone has the
chord's sum, so a scorer that adds up the features of single snippets tells little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmvad.benchmarks.timeline import SNIPPET_FRAMES


@dataclass(frozen=True)
class Recipe:
    """The knobs of the world. Strengths are lengths of vectors, before a picture is scaled to its norm.

    Attributes:
        median_snippets, shortest, longest: of a video's length, which is log-normal, cut at both ends.
        seen_only, heard_only: shares of the events; the others are seen and heard.
        text_share: weight of the text tower's direction of a class in its form, 0 to 1.
        form, motion, sound, timbre: strength of an event's form, motion and tones; of its timbre beside a tone.
        strength_spread: standard deviation of the logarithm of an event's strength.
        lookalikes, dances, noises: forms at rest, harmless forms in motion, single tones; a video, on average.
        glitches: share of all snippets that show a class's form in motion, alone.
        grain, hiss: noise of a picture (its length) and of the sound (of each feature).
        scene, scenes: strength of the backgrounds, and how many all videos share.
    """

    visual_width: int = 64
    audio_width: int = 32
    train_videos: int = 450
    test_videos: int = 400
    median_snippets: int = 28
    shortest: int = 12
    longest: int = 96
    seen_only: float = 0.32
    heard_only: float = 0.36
    text_share: float = 0.8
    form: float = 3.0
    motion: float = 3.0
    sound: float = 3.0
    timbre: float = 0.5
    strength_spread: float = 0.1
    lookalikes: float = 0.5
    dances: float = 0.7
    noises: float = 2.0
    glitches: float = 0.06
    grain: float = 0.7
    scene: float = 0.7
    scenes: int = 8
    hiss: float = 0.1


@dataclass(frozen=True)
class Stretch:
    """Something that happens in frames [start, end).

    Attributes:
        form, timbre: which of the world's, -1 for none.
        moves: whether there is motion to see.
        low, high: strength of the two tones, beside the recipe's.
    """

    start: float
    end: float
    form: int = -1
    moves: bool = False
    low: float = 0
    high: float = 0
    timbre: int = -1


@dataclass(frozen=True)
class World:
    """Unit vectors that all videos of a benchmark share.

    Attributes:
        scenes: [S, d].
        forms: [2 C, d], what the classes look like, partly their text direction; then as many harmless ones.
        motion: [d], along which whatever is violent moves, this way or that.
        hums: [H, d_a], backgrounds. Not negative.
        low, high: [d_a], the tones of a chord. timbres: [C, d_a], a class's own. Not negative.
    """

    recipe: Recipe
    scenes: np.ndarray
    forms: np.ndarray
    motion: np.ndarray
    hums: np.ndarray
    low: np.ndarray
    high: np.ndarray
    timbres: np.ndarray

    @classmethod
    def draw(cls, recipe: Recipe, text: np.ndarray, rng: np.random.Generator) -> World:
        """A world around the text directions [C, d] of the abnormal classes."""
        classes = len(text)
        # orthogonal, so that one seed's world is about as hard as another's
        axes = orthogonal(2 * classes + 1 + recipe.scenes, recipe.visual_width, rng)
        forms, motion, scenes = axes[: 2 * classes], axes[2 * classes], axes[2 * classes + 1 :]
        share = recipe.text_share
        forms[:classes] = unit(share * text + np.sqrt(1 - share**2) * forms[:classes])
        tones = unit(rng.permutation(np.eye(recipe.audio_width))[: 2 + classes] + 0.1)
        hums = unit(rng.gamma(0.3, size=(16, recipe.audio_width)))
        return cls(recipe, scenes, forms, motion, hums, tones[0], tones[1], tones[2:])

    def film(self, snippets: int, stretches: Sequence[Stretch], rng: np.random.Generator) -> np.ndarray:
        """Visual features of one video: float32 [snippets, d], norms near 10."""
        recipe = self.recipe
        cast = self.scenes[rng.choice(len(self.scenes), 4, replace=False)]
        rows = recipe.scene * drift(snippets, len(cast), rng) @ cast
        for stretch in stretches:
            rows += self._picture(snippets, stretch, rng)
        for t in np.flatnonzero(rng.random(snippets) < recipe.glitches):
            c = int(rng.integers(len(self.timbres)))
            rows[t] += self._picture(1, Stretch(0, SNIPPET_FRAMES, form=c, moves=True), rng)[0]
        rows += recipe.grain * rng.normal(size=rows.shape) / np.sqrt(rows.shape[1])
        return (rng.normal(10, 0.4, size=(snippets, 1)) * unit(rows)).astype(np.float32)

    def record(self, snippets: int, stretches: Sequence[Stretch], rng: np.random.Generator) -> np.ndarray:
        """Audio features of one video: float32 [snippets, d_a], not negative, as VGGish's are."""
        cast = self.hums[rng.choice(len(self.hums), 3, replace=False)]
        rows = np.abs(drift(snippets, len(cast), rng)) @ cast * rng.uniform(0.2, 0.8)
        for stretch in stretches:
            volume = self.recipe.sound * rng.lognormal(0, self.recipe.strength_spread)
            chord = stretch.low * self.low + stretch.high * self.high
            if stretch.timbre >= 0:
                chord = chord + self.recipe.timbre * self.timbres[stretch.timbre]
            rows += volume * envelope(snippets, stretch)[:, None] * chord
        rows += self.recipe.hiss * rng.normal(size=rows.shape)
        return np.clip(rows, 0, None).astype(np.float32)

    def _picture(self, snippets: int, stretch: Stretch, rng: np.random.Generator) -> np.ndarray:
        """What a stretch adds to the picture: [snippets, d]."""
        recipe = self.recipe
        strength = rng.lognormal(0, recipe.strength_spread) * envelope(snippets, stretch)[:, None]
        rows = np.zeros((snippets, recipe.visual_width))
        if stretch.form >= 0:
            rows += recipe.form * strength * self.forms[stretch.form]
        if stretch.moves:
            rows += recipe.motion * strength * rng.choice([-1, 1]) * self.motion
        return rows


def unit(rows: np.ndarray) -> np.ndarray:
    """The rows, scaled to norm 1 along the last axis."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def orthogonal(count: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Random orthonormal rows: [count, width], count <= width."""
    return np.linalg.qr(rng.normal(size=(width, count)))[0].T


def drift(length: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """A slow random walk around a fixed point, as a scene is: [length, size]."""
    keep = 0.97
    walk = np.zeros((length, size))
    for t in range(1, length):
        walk[t] = keep * walk[t - 1] + np.sqrt(1 - keep**2) * rng.normal(size=size)
    return rng.normal(size=size) + 0.5 * walk


def envelope(snippets: int, stretch: Stretch) -> np.ndarray:
    """The share of each snippet's frames that lie in the stretch: [snippets]."""
    border = np.arange(snippets + 1) * SNIPPET_FRAMES
    inside = np.minimum(border[1:], stretch.end) - np.maximum(border[:-1], stretch.start)
    return np.clip(inside / SNIPPET_FRAMES, 0, 1)
