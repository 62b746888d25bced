"""Training steps, text encoding, objectives and the test pass, beside their plain forms."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import cycle, pairwise
from statistics import median

import torch
from torch import Tensor

from mmvad.benchmarks.registry import benchmark
from mmvad.config.schema import Config
from mmvad.models.dual_stream import Output
from mmvad.models.dual_stream_model import DualStreamModel
from mmvad.models.losses.objective import objective
from mmvad.models.model import Batch
from tests.plain.training import PlainModel
from tests.plain.training import losses as plain_losses
from tools.bench.made import batch, configuration, dual_stream, planted_batches
from tools.bench.timing import Row, compare, count_flops

Losses = Callable[[Batch], dict[str, Tensor]]


@dataclass(frozen=True)
class Case:
    """A configuration, the size of its batch, and by how much its step should beat the plain one."""

    name: str
    config: Config
    size: int
    wanted: float

    @property
    def light(self) -> bool:
        """Whether twenty steps of it can be waited for."""
        return self.config.model.text.architecture == "tiny"

    def batches(self, count: int) -> list[Batch]:
        """The demo's own first batches; else one drawn batch, again and again."""
        if self.config.benchmark == "planted":
            return planted_batches(self.config, self.size, count)
        classes = len(benchmark(self.config.benchmark).classes)
        audio = 128 if self.config.uses_audio else 0
        return [batch(self.size, self.config.data.segment_length, classes, audio=audio)] * count


def cases(quick: bool) -> list[Case]:
    """The dual-stream network in VadCLIP's shape (no sound, one prompt, no contrast), in its own, and the demo's."""
    vadclip = ("modalities=vt", "model.acp=post", "loss.contrast=off")
    tiny = ("model.text.architecture=tiny", "data.segment_length=64") if quick else ()
    return [
        Case(
            "dual-stream in VadCLIP's shape, XD settings",
            configuration("xd_violence", *vadclip, *tiny),
            4 if quick else 96,
            2.0,
        ),
        Case("dual-stream network, XD settings", configuration("xd_violence", *tiny), 4 if quick else 24, 4.0),
        Case("planted demo", configuration("planted"), 4 if quick else 32, 2.0),
    ]


def plain_model(model: DualStreamModel, config: Config) -> PlainModel:
    return PlainModel(model, [c.prompt for c in benchmark(config.benchmark).classes])


class Step:
    """A whole training step that keeps the time of its parts; at each call the next batch, in turns."""

    def __init__(self, case: Case, batches: list[Batch], *, ours: bool) -> None:
        optim, (visual, audio, *_) = case.config.optim, batches[0]
        model = dual_stream(case.config, visual.shape[-1], 0 if audio is None else audio.shape[-1])
        self.losses: Losses = (lambda b: model.losses(model(b), b)) if ours else plain_model(model, case.config).losses
        self.batches, self.clip = cycle(batches), optim.gradient_clip
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(self.parameters, optim.learning_rate, fused=True if ours else None)
        self.parts: dict[str, list[float]] = {"forward": [], "backward": [], "optimiser": []}

    def __call__(self) -> float:
        inputs, times = next(self.batches), [time.perf_counter()]
        total = self.losses(inputs)["total"]
        times.append(time.perf_counter())
        self.optimizer.zero_grad()
        total.backward()
        times.append(time.perf_counter())
        self.update()
        times.append(time.perf_counter())
        for part, (start, end) in zip(self.parts.values(), pairwise(times), strict=True):
            part.append(end - start)
        return total.item()

    def update(self) -> None:
        if self.clip:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimizer.step()


def step_rows(quick: bool, repeats: int) -> Iterator[Row]:
    """One row a case."""
    for case in cases(quick):
        inputs = case.batches(1)
        ours, plain = (Step(case, inputs, ours=which) for which in (True, False))
        flops = count_flops(ours), count_flops(plain)
        row = compare("steps", case.name, ours, plain, repeats, warm=False)
        row.amount, row.unit, row.wanted = case.size, "samples", case.wanted
        row.flops, row.plain_flops = flops
        row.notes = {f"{part} s": median(times[1:]) for part, times in ours.parts.items()}
        row.notes["losses apart by at most"] = loss_difference(case, 5 if quick else 20)
        yield row


def loss_difference(case: Case, steps: int) -> float:
    """How far the losses of the first steps come apart from one seed, dropout and all.

    With the large text tower two steps, of four videos. With small batches rounding grows fast: few steps say enough.
    """
    steps = steps if case.light else 2
    inputs = (case if case.light else replace(case, size=4)).batches(steps)
    series = []
    for ours in (True, False):
        step = Step(case, inputs, ours=ours)
        torch.manual_seed(case.config.seed)  # as a run does before its first epoch
        series.append([step() for _ in range(steps)])
    return max(abs(a - b) for a, b in zip(*series, strict=True))


def text_rows(quick: bool, repeats: int) -> Iterator[Row]:
    """All classes of all videos through the text tower and back to the prompts."""
    case = cases(quick)[1]
    model = dual_stream(case.config)
    plain, fine = plain_model(model, case.config), model.network.fine
    assert fine is not None
    shift = (0.01 * torch.randn(case.size, fine.encoder.width)).requires_grad_()
    ours_form = lambda: fine.sentences.encoded(fine.encoder, shift).sum().backward()  # noqa: E731
    plain_run = lambda: plain.encode(fine.sentences.vectors, shift).sum().backward()  # noqa: E731
    row = compare("text", f"text encoding, {case.size} videos", ours_form, plain_run, repeats, warm=quick)
    row.flops, row.plain_flops = count_flops(ours_form), count_flops(plain_run)
    row.amount, row.unit = case.size * len(fine.sentences.end), "sentences"
    yield row


def objective_rows(quick: bool, repeats: int) -> Iterator[Row]:
    """Losses and their gradients on a given output."""
    case = cases(quick)[1]
    size = 4 if quick else 128
    config = configuration("xd_violence", "modalities=vat", "loss.contrast_select=label")  # no form may leave it out
    settings = config.loss
    (inputs,) = replace(case, size=size).batches(1)
    classes = inputs.labels.shape[1]
    shapes = (inputs.visual.shape, inputs.mask.shape, (*inputs.mask.shape, classes), (size, classes, 512))
    output = Output(*(torch.randn(shape).requires_grad_() for shape in shapes))
    row = compare(
        "objectives",
        f"losses and gradients, {size} videos",
        lambda: objective(output, inputs, settings)["total"].backward(),
        lambda: plain_losses(output, inputs, settings)["total"].backward(),
        repeats,
    )
    row.amount, row.unit = size, "samples"
    yield row


def test_rows(quick: bool, repeats: int) -> Iterator[Row]:
    """The scores of a batch of chunks, without gradients."""
    case = cases(quick)[1]
    model = dual_stream(case.config).eval()
    plain, (inputs,) = plain_model(model, case.config), case.batches(1)
    with torch.no_grad():
        row = compare(
            "test",
            f"test pass, {case.size} chunks",
            lambda: model.scores(model(inputs)),
            lambda: model.scores(plain.forward(inputs)),
            repeats,
            warm=quick,
        )
    row.amount, row.unit = int(inputs.mask.sum()), "snippets"
    yield row
