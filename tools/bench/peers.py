"""Training steps of the peers, beside the same step over padding and, from checkouts, beside the public code's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmvad.benchmarks.registry import benchmark
from mmvad.models.model import Batch, Model
from mmvad.models.peers.public_weights import imported, public_weights
from mmvad.models.peers.registry import PEERS
from mmvad.training.build import Widths, build_model, build_text
from tests.plain.savings import without
from tools.bench.checkouts import cuda_is_the_cpu
from tools.bench.made import batch, configuration
from tools.bench.public import PUBLIC, Public
from tools.bench.timing import Row, compare, count_flops

ATOMS = 400
"""Of S3R's dictionary on UCF-Crime."""


@dataclass(frozen=True)
class Case:
    """A peer under its settings for a benchmark: rows of a step, widths, and by how much it should beat public code.

    Attributes:
        fills: whether every video has all L segments, as where a method pools them to L.
    """

    method: str
    file: str
    size: int
    visual: int
    audio: int = 0
    overrides: tuple[str, ...] = ()
    fills: bool = False
    crops: int = 1
    wanted: float | None = 1.0

    @property
    def title(self) -> str:
        note = "".join(f", {text.partition('=')[2]}" for text in self.overrides if "network" in text)
        crops = f" x {self.crops}" if self.crops > 1 else ""
        return f"{PEERS[self.method].title}{note}, {self.size}{crops}"


STUDENT = ("peers.avadclip.network=student", "peers.avadclip.learned_focus=on")
CASES = (
    Case("vadclip", "xd", 96, 512, overrides=("peers.vadclip.weighting=logit",), wanted=2.0),
    Case("avadclip", "xd", 96, 512, 512, ("peers.avadclip.learned_focus=on",), wanted=2.0),
    Case("avadclip", "xd", 96, 512, 512, STUDENT, wanted=2.0),
    Case("pel4vad", "xd", 128, 1024, wanted=1.7),
    Case("hl_net", "xd", 128, 1024, 128, wanted=1.7),
    Case("macil_sd", "xd", 128, 1024, 128, ("peers.macil_sd.swapped=on",), wanted=1.7),
    Case("ur_dmu", "xd", 128, 1024, overrides=("peers.ur_dmu.distance=columns",), fills=True, wanted=1.15),
    Case("rtfm", "ucf", 64, 2048, fills=True, crops=10, wanted=1.15),
    Case("s3r", "ucf", 32, 2048, fills=True, crops=10, wanted=1.15),
    Case("mgfn", "ucf", 32, 2048, fills=True, crops=10),
)


METHODS = tuple(dict.fromkeys(case.method for case in CASES))


class Step:
    """A whole training step on one batch."""

    def __init__(
        self, total: Callable[[Batch], Tensor], parameters: Iterable[Tensor], inputs: Batch, fused: bool
    ) -> None:
        self.total, self.inputs = total, inputs
        self.optimizer = torch.optim.Adam([p for p in parameters if p.requires_grad], 1e-6, fused=fused or None)

    def __call__(self) -> float:
        total = self.total(self.inputs)
        self.optimizer.zero_grad()
        total.backward()
        self.optimizer.step()
        return total.item()


def peer_rows(
    quick: bool, repeats: int, public: Path | None = None, methods: Collection[str] = (), videos: int = 0
) -> Iterator[Row]:
    """A row a peer beside its step over padding; with a folder of checkouts one more beside public code.

    Args:
        methods: those of `METHODS` that are timed; all without any.
        videos: of a step; as published without.
    """
    for case in CASES:
        if not methods or case.method in methods:
            own = replace(case, size=videos or case.size)
            crops = case.crops if public else min(case.crops, 2)  # public code counts on its ten
            small = replace(own, size=4, crops=crops, wanted=None)
            yield from _rows(small if quick else own, repeats, public)


def _rows(case: Case, repeats: int, public: Path | None) -> Iterator[Row]:
    model, prompts = built(case)
    beside = public_step(case, model, prompts, public) if public else None
    inputs = drawn_videos(case, len(prompts))
    ours = Step(lambda b: model.losses(model(b), b)["total"], list(model.parameters()), inputs, fused=True)
    flops = count_flops(ours)

    def padded() -> float:
        with without("packed segments"):
            return ours()

    forms: list[tuple[str, Callable[[], float]]] = [] if case.fills else [("", padded)]
    if beside is not None:
        networks = [p for net in beside.networks.values() for p in net.parameters()]
        step = Step(beside.total, networks, inputs, fused=False)

        def theirs() -> float:
            with cuda_is_the_cpu():
                return step()

        forms.append((" beside public code", theirs))
    for name, form in forms:
        row = compare("peers", case.title + name, ours, form, repeats, warm=False)
        row.amount, row.unit, row.flops, row.plain_flops = case.size, "videos", flops, count_flops(form)
        row.wanted = case.wanted if name else None
        yield row


def built(case: Case) -> tuple[Model[Any], list[str]]:
    """The peer in training, untrained but past what comes before its usual steps; and its prompts."""
    config = configuration(f"peers/{case.method}_{case.file}", *case.overrides)
    widths, spec = Widths(case.visual, case.audio), benchmark(config.benchmark)
    torch.manual_seed(0)
    model = build_model(config, widths, spec, build_text(config, widths))
    if case.method == "s3r":
        model.dictionary = torch.randn(ATOMS, case.visual)
    model.start_epoch(20, 30)
    return model.train(), [c.prompt for c in spec.classes]


def public_step(case: Case, model: Model[Any], prompts: list[str], folder: Path) -> Public | None:
    """The public networks, whose weights ours then has; None where their checkout is not in the folder."""
    name, build = PUBLIC[case.method]
    if not (folder / name).is_dir():
        return None
    with cuda_is_the_cpu():
        found = build(folder / name, model, prompts)
    states = {name: net.state_dict() for name, net in found.networks.items()}
    if case.method == "s3r":
        states["dictionary"] = {"dictionary": model.get_buffer("dictionary")}
    model.load_state_dict(imported(model, public_weights(case.method), states), strict=False)
    return found


def drawn_videos(case: Case, classes: int) -> Batch:
    """The batch, normal videos first."""
    config = configuration(f"peers/{case.method}_{case.file}")
    length = config.data.segment_length
    made = batch(
        case.size, length, classes, visual=case.visual, audio=case.audio, shortest=length if case.fills else 30
    )
    order = made.abnormal.int().argsort(stable=True).repeat_interleave(case.crops)
    audio, has_audio = (None if x is None else x[order] for x in (made.audio, made.has_audio))
    return Batch(made.visual[order], audio, has_audio, made.mask[order], made.labels[order], case.crops)
