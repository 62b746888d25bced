"""Makes the bank of the planted benchmark: an audio-visual data set that needs no download.

mmvad planted --seed 0 --out banks/planted-0

Events are seen, heard or both; among them lie benign look-alikes and noises. Deterministic in the seed.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import NormalDist

import numpy as np
import torch

from mmvad.bank.writer import BankWriter
from mmvad.benchmarks.benchmark import Event, Split, Video
from mmvad.benchmarks.registry import PLANTED
from mmvad.benchmarks.timeline import SNIPPET_FRAMES
from mmvad.errors import UserError
from mmvad.models.prompts import sentence_layout
from mmvad.models.text_encoder import build_text_encoder, tokenize
from mmvad.synthetic.world import Recipe, Stretch, World, unit
from mmvad.system.progress import track

LOG = logging.getLogger(__name__)
RECIPE = Recipe()
SPLITS: tuple[Split, ...] = ("train", "test")
CLASSES = len(PLANTED.classes) - 1
"""Abnormal classes."""
PROMPT_HALF = 4
"""Empty places on either side of a class's name in the sentence that gives its text direction."""
LABEL_COUNTS = (0.75, 0.2, 0.05)
"""Share of abnormal videos with one, two and three classes."""
SECOND_EVENT = 0.25
"""Share of a video's classes with two events."""
LENGTH_STEP = math.sqrt(2) - 1
"""From one video to the next in the distribution of lengths: no short cycle, and none in step with the classes."""


def write_planted(out: Path, seed: int, *, overwrite: bool = False, recipe: Recipe = RECIPE) -> None:
    """Writes the planted benchmark's bank to `out`.

    Raises UserError for a negative seed, and where a bank is there without `overwrite`.
    """
    if seed < 0:
        raise UserError("--seed", f"{seed} is negative", expected="0, 1, 2, ...")
    world = World.draw(recipe, text_directions(recipe.visual_width), np.random.default_rng([seed, len(SPLITS)]))
    counts = (recipe.train_videos, recipe.test_videos)
    positions = [(split, i) for split, count in enumerate(counts) for i in range(count)]
    with BankWriter(
        out, PLANTED.name, {"features": "planted", "seed": seed, "recipe": asdict(recipe)}, overwrite=overwrite
    ) as bank:
        for split, i in track(positions, "planting", len(positions)):
            video, visual, audio = make_video(world, SPLITS[split], i, np.random.default_rng([seed, split, i]))
            bank.add(video, {0: visual}, audio)
    LOG.info(f"{out}: {counts[0]} training and {counts[1]} test videos, seed {seed}")


def text_directions(width: int) -> np.ndarray:
    """What the tiny text tower finds particular in each abnormal class's name: unit vectors [C - 1, width].

    A random tower gives all sentences nearly the same embedding; what is left without their mean tells them apart.
    """
    encoder = build_text_encoder("tiny", "random", width)
    tokens, _, end = sentence_layout(tokenize([c.prompt for c in PLANTED.classes]), PROMPT_HALF)
    with torch.inference_mode():
        features = encoder(encoder.embed_tokens(tokens), end).double().numpy()
    return unit(features - features.mean(axis=0))[1:]


def make_video(
    world: World, split: Split, index: int, rng: np.random.Generator
) -> tuple[Video, np.ndarray, np.ndarray]:
    """One video with its visual [n, d] and audio [n, d_a] features; every second one is abnormal."""
    recipe = world.recipe
    snippets = video_length(recipe, index // 2)
    events, shown = draw_events(recipe, snippets, index // 2, rng) if index % 2 else ([], [])
    stretches = [*shown, *draw_benign(recipe, snippets, rng)]
    happened = {event.label for event in events}
    labels = tuple(key for key in PLANTED.class_keys if key in happened) or (PLANTED.normal,)
    known = tuple(sorted(events, key=lambda event: event.start)) if split == "test" else ()
    video = Video(f"{split}-{index:03d}", split, labels, known, merged(known))
    return video, world.film(snippets, stretches, rng), world.record(snippets, stretches, rng)


def video_length(recipe: Recipe, turn: int) -> int:
    """Snippets of the abnormal and the normal video number `turn`.

    The lengths' distribution is gone through in even steps: a few long videos weigh much in figures over frames, and
    with lengths that are drawn the seeds differ by them.
    """
    share = (0.5 + LENGTH_STEP * turn) % 1
    length = recipe.median_snippets * np.exp(0.6 * NormalDist().inv_cdf(min(max(share, 1e-4), 1 - 1e-4)))
    return int(np.clip(length, recipe.shortest, recipe.longest))


def draw_events(
    recipe: Recipe, snippets: int, turn: int, rng: np.random.Generator
) -> tuple[list[Event], list[Stretch]]:
    """The events of the abnormal video number `turn`, each with the stretch that shows it.

    Classes and kinds take turns instead of being drawn, so that every seed has about as many of each.
    """
    count = 1 + rng.choice(len(LABEL_COUNTS), p=LABEL_COUNTS)
    others = rng.permutation(np.arange(1, CLASSES))[: count - 1]
    events: list[Event] = []
    stretches = []
    for c in (turn + np.append(0, others)) % CLASSES:
        for _ in range(1 + (rng.random() < SECOND_EVENT)):
            start, end = draw_span(snippets, 0.15, 0.45, rng)
            kind = (turn // CLASSES * 0.381966 + 0.17 * turn + 0.5 * len(events)) % 1
            events.append(Event(PLANTED.class_keys[1 + c], start, end))
            stretches.append(event_stretch(recipe, int(c), kind, start, end))
    return events, stretches


def event_stretch(recipe: Recipe, c: int, kind: float, start: int, end: int) -> Stretch:
    """How an event of abnormal class `c` shows; `kind` in 0..1: heard only, then both, then seen only."""
    seen, audible = kind >= recipe.heard_only, kind < 1 - recipe.seen_only
    tone = float(audible)
    return Stretch(start, end, form=c if seen else -1, moves=seen, low=tone, high=tone, timbre=c if audible else -1)


def draw_benign(recipe: Recipe, snippets: int, rng: np.random.Generator) -> list[Stretch]:
    """What happens in any video and means nothing: forms at rest, harmless forms in motion, single tones."""
    stretches = []
    for rate, make in ((recipe.lookalikes, lookalike), (recipe.dances, dance), (recipe.noises, noise)):
        for _ in range(rng.poisson(rate)):
            c = int(rng.integers(CLASSES))
            stretches.append(make(c, *draw_span(snippets, 0.05, 0.3, rng), rng))
    return stretches


def lookalike(c: int, start: int, end: int, rng: np.random.Generator) -> Stretch:
    """The form of abnormal class `c`, at rest."""
    return Stretch(start, end, form=c)


def dance(c: int, start: int, end: int, rng: np.random.Generator) -> Stretch:
    """A harmless form, in motion."""
    return Stretch(start, end, form=CLASSES + c, moves=True)


def noise(c: int, start: int, end: int, rng: np.random.Generator) -> Stretch:
    """One tone as strong as a chord's two, with the timbre of abnormal class `c`."""
    low = 2.0 * (rng.random() < 0.5)
    return Stretch(start, end, low=low, high=2.0 - low, timbre=c)


def draw_span(snippets: int, least: float, most: float, rng: np.random.Generator) -> tuple[int, int]:
    """Frames [start, end) inside a video, a share of it, at least three snippets long."""
    frames = snippets * SNIPPET_FRAMES
    length = max(3 * SNIPPET_FRAMES, int(frames * rng.uniform(least, most)))
    start = int(rng.integers(0, frames - length + 1))
    return start, start + length


def merged(events: Sequence[Event]) -> tuple[tuple[int, int], ...]:
    """The frames of any event, as disjoint (start, end) in order; `events` by start."""
    spans: list[tuple[int, int]] = []
    for event in events:
        if spans and event.start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], event.end))
        else:
            spans.append((event.start, event.end))
    return tuple(spans)
