"""The world of the planted benchmark: the directions in feature space that its videos share, and how a video is made.

A class's picture is a form that moves in the class's own way: a fixed direction, plus a rotation in a plane. Its sound
is a chord: two tones at once. Look-alikes have the form with the motion of another class, benign noises mix the tones
of two classes. Each part alone says nothing, so no linear scorer of single snippets tells events from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmvad.benchmarks.benchmark import SNIPPET_FRAMES


@dataclass(frozen=True)
class Recipe:
    """The knobs of the world. Strengths are lengths of vectors, beside a scene of about 3 and noise of about `grain`.

    Attributes:
        text_share: share (cosine) of a class's form that is the text tower's direction of the class.
        form, motion, sound: strength of an event's form, of its motion, and of its chord.
        lookalikes, noises: benign look-alikes and noises a video, on average.
        glitches: snippets with a class's whole look for the length of one snippet, share of all snippets.
    """

    visual_width: int = 64
    audio_width: int = 32
    train_videos: int = 480
    test_videos: int = 120
    median_snippets: int = 28
    shortest: int = 12
    longest: int = 160
    seen_only: float = 0.35
    heard_only: float = 0.25
    text_share: float = 0.5
    form: float = 3.0
    motion: float = 3.0
    sound: float = 3.0
    timbre: float = 0.5
    strength_spread: float = 0.25
    lookalikes: float = 1.0
    dances: float = 0.0
    noises: float = 1.0
    glitches: float = 0.04
    grain: float = 1.0
    scene: float = 1.0
    scenes: int = 8
    hiss: float = 0.1


@dataclass(frozen=True)
class Stretch:
    """Something that happens in frames [start, end): a form and a motion to see, two tones to hear; -1 for none."""

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
        forms: [C, d], what a class looks like; partly its text direction.
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
        """A world around the classes' text directions [C, d]."""
        d, classes = recipe.visual_width, len(text)
        own = unit(rng.normal(size=(classes, d)))
        share = recipe.text_share
        tones = unit(rng.gamma(0.3, size=(2 + classes, recipe.audio_width)))
        return cls(
            recipe,
            scenes=unit(unit(rng.normal(size=d)) + unit(rng.normal(size=(recipe.scenes, d)))),
            forms=unit(share * text + np.sqrt(1 - share**2) * own),
            motion=unit(rng.normal(size=d)),
            hums=unit(rng.gamma(0.3, size=(16, recipe.audio_width))),
            low=tones[0],
            high=tones[1],
            timbres=tones[2:],
        )

    def film(self, snippets: int, stretches: Sequence[Stretch], rng: np.random.Generator) -> np.ndarray:
        """Visual features of one video: float32 [snippets, d], norms near 10."""
        recipe = self.recipe
        cast = self.scenes[rng.choice(len(self.scenes), 4, replace=False)]
        rows = recipe.scene * drift(snippets, len(cast), rng) @ cast
        for stretch in stretches:
            rows += self._picture(snippets, stretch, rng)
        for t in np.flatnonzero(rng.random(snippets) < recipe.glitches):
            c = int(rng.integers(len(self.forms)))
            rows[t] += self._picture(1, Stretch(0, SNIPPET_FRAMES, form=c, moves=True), rng)[0]
        rows += recipe.grain * rng.normal(size=rows.shape) / np.sqrt(rows.shape[1])
        return (rng.normal(10, 0.4, size=(snippets, 1)) * unit(rows)).astype(np.float32)

    def record(self, snippets: int, stretches: Sequence[Stretch], rng: np.random.Generator) -> np.ndarray:
        """Audio features of one video: float32 [snippets, d_a], not negative, many of them zero."""
        cast = self.hums[rng.choice(len(self.hums), 3, replace=False)]
        rows = np.abs(drift(snippets, len(cast), rng)) @ cast * rng.uniform(0.2, 0.8)
        for stretch in stretches:
            loud = self.recipe.sound * rng.lognormal(0, self.recipe.strength_spread)
            chord = stretch.low * self.low + stretch.high * self.high
            if stretch.timbre >= 0:
                chord = chord + self.recipe.timbre * self.timbres[stretch.timbre]
            rows += loud * envelope(snippets, stretch)[:, None] * chord
        rows += self.recipe.hiss * rng.normal(size=rows.shape)
        return np.clip(rows, 0, None).astype(np.float32)

    def _picture(self, snippets: int, stretch: Stretch, rng: np.random.Generator) -> np.ndarray:
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
