"""Small networks, batches and banks that several tests build on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from mmvad.bank.bank import BankWriter
from mmvad.benchmarks.benchmark import Benchmark, Event, Split, Video
from mmvad.benchmarks.registry import PLANTED
from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.models.dual_stream import DualStream, NetworkSettings
from mmvad.models.layout import ChooseLayout, Layout, choose_layout
from mmvad.models.losses.settings import Loss
from mmvad.models.model import Batch
from mmvad.models.temporal import TemporalSettings
from mmvad.models.text_encoder import TextEncoder, build_text_encoder

Module = TypeVar("Module", bound=torch.nn.Module)

WIDTH, AUDIO_WIDTH, CLASSES = 16, 8, 7
PROMPTS = [c.prompt for c in PLANTED.classes]


@cache
def tiny_encoder() -> TextEncoder:
    return build_text_encoder("tiny", "random", WIDTH)


@cache
def full_encoder() -> TextEncoder:
    """CLIP's text tower at its full size, with random weights; half a second to make. Tests only read it."""
    return build_text_encoder("ViT-B-16-quickgelu", "random")


def network(
    seed: int = 0,
    *,
    text: bool = True,
    temporal: tuple[str, int, int, int] = ("local_gcn", 1, 1, 4),
    choose: ChooseLayout = choose_layout,
    **changes: object,
) -> DualStream:
    """A network on 16-wide pictures and 8-wide sound, up to 48 segments; `temporal` is kind, layers, heads, window."""
    options: dict[str, object] = {
        "visual_width": WIDTH,
        "audio_width": AUDIO_WIDTH,
        "length": 48,
        "temporal": TemporalSettings(*temporal),
        "fusion": "gated",
        "acp": "pre_post",
        "weighting": "score",
        "prompt_half": 2,
        "temperature": 0.07,
        "dropout": 0.0,
    }
    torch.manual_seed(seed)
    settings = NetworkSettings(**(options | changes))  # type: ignore[arg-type]
    made = DualStream(settings, tiny_encoder() if text else None, PROMPTS, choose)
    return stirred(made)


def stirred(module: Module) -> Module:
    """The module with everything that starts at zero, so that training begins gently, drawn at random.

    Zeros would hide errors.
    """
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad and not parameter.any():
                parameter.normal_(std=0.1)
    return module


def on_padded(layer: Callable[[Tensor, Layout], Tensor], x: Tensor, mask: Tensor) -> Tensor:
    """What a layer of rows makes of padded segments [B, L, d]: [B, L, d_out]."""
    layout = choose_layout(mask)
    return layout.padded(layer(layout.rows(x), layout))


def batch(
    lengths: Sequence[int],
    segments: int | None = None,
    *,
    seed: int = 0,
    labels: Sequence[Sequence[int]] | None = None,
    has_audio: Sequence[bool] | None = None,
    audio: bool = True,
) -> Batch:
    """Random videos of so many valid segments; by default every second one is normal.

    A video's content depends on the seed and its place alone, not on the padding.
    """
    segments = segments or max(lengths)
    labels = labels or [[0] if b % 2 else [1 + b % 6, 1 + (b + 2) % 6] for b in range(len(lengths))]
    visual, sound = torch.zeros(len(lengths), segments, WIDTH), torch.zeros(len(lengths), segments, AUDIO_WIDTH)
    matrix = torch.zeros(len(lengths), CLASSES)
    for b, n in enumerate(lengths):
        draw = torch.Generator().manual_seed(1000 * seed + b)
        visual[b, :n] = torch.randn(n, WIDTH, generator=draw)
        sound[b, :n] = torch.randn(n, AUDIO_WIDTH, generator=draw)
        matrix[b, list(labels[b])] = 1
    mask = torch.arange(segments) < torch.tensor(lengths)[:, None]
    has_audio = torch.ones(len(lengths), dtype=torch.bool) if has_audio is None else torch.tensor(has_audio)
    return Batch(
        visual, sound * has_audio[:, None, None] if audio else None, has_audio if audio else None, mask, matrix
    )


def losses(**changes: object) -> Loss:
    """`loss.*` with an embedding constraint that counts and kinds by label."""
    return Loss.model_validate({"lambda_embed": 0.1, "contrast_select": "label"} | changes)


def gradients(module: torch.nn.Module) -> dict[str, Tensor]:
    """Every trainable parameter's gradient, zeros where none came."""
    named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    return {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in named}


CLASS_POSITIONS = (0, 1, 0, 2, 0, 3, 0, 6)
"""A small bank's videos, by the place of their class: every second one is normal."""


def planted_video(
    name: str, split: Split, label: str, snippets: int, seed: int, shift: float, spec: Benchmark = PLANTED
) -> tuple:
    """A video whose middle third carries its class's direction in both modalities; (facts, crops, sound)."""
    draw = np.random.default_rng(seed)
    crops = {k: draw.normal(size=(snippets, WIDTH)).astype(np.float32) for k in (0, 1)}
    sound = draw.normal(size=(snippets, AUDIO_WIDTH)).astype(np.float32)
    start, end = snippets // 3, max(2 * snippets // 3, snippets // 3 + 1)
    events: tuple[Event, ...] = ()
    if label != spec.normal:
        position = spec.class_keys.index(label)
        for rows in crops.values():
            rows[start:end, position] += shift
        sound[start:end, position] += shift
        events = (Event(label, 16 * start, 16 * end),) if split == "test" else ()
    intervals = tuple((e.start, e.end) for e in events)
    return Video(name, split, (label,), events, intervals), crops, sound


def write_bank(
    path: Path,
    *,
    train: int = 14,
    test: int = 8,
    benchmark: str = "planted",
    silent: Sequence[str] = (),
    shift: float = 3.0,
    longest: int = 40,
) -> Path:
    """A bank of small planted videos of 3 to `longest` snippets; those named in `silent` have no sound."""
    spec = benchmark_named(benchmark)
    with BankWriter(path, benchmark, {"made_by": "the tests"}) as writer:
        for split, count in (("train", train), ("test", test)):
            for i in range(count):
                name = f"{split}{i:02d}"
                seed = i + (100 if split == "test" else 0)
                snippets = 3 + (seed * 13) % (longest - 2)
                label = spec.class_keys[CLASS_POSITIONS[i % len(CLASS_POSITIONS)]]
                video, crops, sound = planted_video(name, split, label, snippets, seed, shift, spec)  # type: ignore[arg-type]
                writer.add(video, crops, None if name in silent or "all" in silent else sound)
    return path
