"""Makes the bank of the planted benchmark: an audio-visual data set that needs no download.

mmvad planted --seed 0 --out banks/planted-0

Events are seen, heard or both; among them lie benign look-alikes and noises. Deterministic in the seed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from mmvad.benchmarks.benchmark import SNIPPET_FRAMES, Event, Split, Video
from mmvad.benchmarks.planted import PLANTED
from mmvad.features.bank_writer import BankWriter
from mmvad.features.planted_world import Recipe, Stretch, World, unit
from mmvad.models.prompts import sentence_layout
from mmvad.models.text_encoder import build_text_encoder, tokenize
from mmvad.progress import track

LOG = logging.getLogger(__name__)
RECIPE = Recipe()
SPLITS: tuple[Split, ...] = ("train", "test")
PROMPT_HALF = 4
LABEL_COUNTS = (0.65, 0.25, 0.1)
"""Share of abnormal videos with one, two and three classes."""


def write_planted(out: Path, seed: int, *, overwrite: bool = False, recipe: Recipe = RECIPE) -> None:
    """Writes the planted benchmark's bank to `out`. Raises UserError where a bank is there and not `overwrite`."""
    world = World.draw(recipe, text_directions(recipe.visual_width), np.random.default_rng([seed, len(SPLITS)]))
    counts = (recipe.train_videos, recipe.test_videos)
    places = [(split, i) for split, count in enumerate(counts) for i in range(count)]
    with BankWriter(out, PLANTED.name, {"seed": seed, "recipe": asdict(recipe)}, overwrite=overwrite) as bank:
        for split, i in track(places, "planting", len(places)):
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
    snippets = int(np.clip(rng.lognormal(np.log(recipe.median_snippets), 0.6), recipe.shortest, recipe.longest))
    events, shown = draw_events(recipe, snippets, rng) if index % 2 else ([], [])
    stretches = [*shown, *draw_benign(recipe, snippets, rng)]
    keys = PLANTED.class_keys
    labels = tuple(key for key in keys if any(event.label == key for event in events)) or (PLANTED.normal,)
    known = tuple(sorted(events, key=lambda event: event.start)) if split == "test" else ()
    video = Video(f"{split}-{index:03d}", split, labels, known, merged(known))
    return video, world.film(snippets, stretches, rng), world.record(snippets, stretches, rng)


def draw_events(recipe: Recipe, snippets: int, rng: np.random.Generator) -> tuple[list[Event], list[Stretch]]:
    """The events of an abnormal video, and how they show: seen, heard or both."""
    count = 1 + rng.choice(len(LABEL_COUNTS), p=LABEL_COUNTS)
    events, stretches = [], []
    for c in rng.choice(len(PLANTED.classes) - 1, count, replace=False):
        for _ in range(1 + (rng.random() < 0.25)):
            start, end = draw_span(snippets, 0.15, 0.45, rng)
            kind = rng.random()
            seen, heard = kind >= recipe.heard_only, kind < 1 - recipe.seen_only
            events.append(Event(PLANTED.class_keys[1 + c], start, end))
            picture, sound = (int(c) if shows else -1 for shows in (seen, heard))
            stretches.append(Stretch(start, end, picture, bool(seen), float(heard), float(heard), sound))
    return events, stretches


def draw_benign(recipe: Recipe, snippets: int, rng: np.random.Generator) -> list[Stretch]:
    """Look-alikes (a form with another class's motion) and noises (tones of two classes)."""
    stretches = []
    for rate, kind in ((recipe.lookalikes, "look"), (recipe.dances, "dance"), (recipe.noises, "noise")):
        for _ in range(rng.poisson(rate)):
            c = int(rng.integers(len(PLANTED.classes) - 1))
            start, end = draw_span(snippets, 0.05, 0.3, rng)
            if kind == "look":
                stretches.append(Stretch(start, end, form=c))
            elif kind == "dance":
                stretches.append(Stretch(start, end, moves=True))
            else:
                low = 2.0 * (rng.random() < 0.5)
                stretches.append(Stretch(start, end, low=low, high=2.0 - low, timbre=c))
    return stretches


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
