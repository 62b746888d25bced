"""On a GPU: steps at the benchmarks' own settings in mixed precision, as runs take them, beside the plain step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import torch

from mmvad.benchmarks.registry import benchmark
from mmvad.config.schema import Config
from mmvad.models.dual_stream import Output
from mmvad.system.device import Device
from tests.plain.training import PlainModel, losses
from tools.bench.made import configuration, dual_stream
from tools.bench.timing import Row, count_flops
from tools.bench.training import WIDTHS, Trained, drawn_loader, drawn_samples, train_steps, wait_for

BENCHMARKS = ("xd_violence", "ucf_crime")
FORMS = {
    "graphs": {"compiled": True},
    "graphs, bank in RAM": {"compiled": True, "resident": False},
    "not compiled": {},
    "not compiled, bank in RAM": {"resident": False},
}
"""Under `runtime.compile` and `runtime.resident`."""


def gpu_rows(quick: bool, position: Device, benchmarks: tuple[str, ...] = BENCHMARKS) -> Iterator[Row]:
    """A row a benchmark and form; the plain step, which has no gather and no Lightning around it, beside the first."""
    small = ("data.segment_length=64", "model.text.architecture=tiny", "data.batch_size=8") if quick else ()
    for name in benchmarks:
        config = configuration(name, *small)
        flops = step_flops(config, position)
        plain = plain_step(config, position)
        for form, options in FORMS.items():
            spent = train_steps(config, position, warm=6, steps=4 if quick else 20, **options)
            title = f"{benchmark(name).title}, B {config.data.batch_size}, {form}"
            row = _row(title, spent, config, flops)
            yield replace(row, plain_seconds=plain, ratio=plain / spent.seconds)


def _row(name: str, spent: Trained, config: Config, flops: int) -> Row:
    notes: dict[str, float | str] = {"first step s": spent.first}
    row = Row("gpu", name, spent.seconds, spent.seconds, spent.memory, notes=notes)
    row.amount, row.unit, row.flops = config.data.batch_size, "samples", flops
    return row


def step_flops(config: Config, position: Device) -> int:
    """Operations of a step, forward and backward, on the first batch that training gets on this device."""
    model = dual_stream(config, *WIDTHS).to(position.torch)
    batch = next(iter(drawn_loader(config, position)))
    return count_flops(lambda: model.losses(model(batch), batch)["total"].backward())


def plain_step(config: Config, position: Device, steps: int = 5) -> float:
    """Seconds of the plain step in the same mixed precision, losses in float32."""
    model = dual_stream(config, *WIDTHS).to(position.torch)
    form = PlainModel(model, [c.prompt for c in benchmark(config.benchmark).classes])
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], config.optim.learning_rate)
    batch = drawn_samples(config, position.torch).batch(torch.arange(config.data.batch_size).numpy())

    def step() -> None:
        with torch.autocast(position.torch.type, torch.bfloat16):
            output = form.forward(batch)
        optimizer.zero_grad()
        losses(_in_float32(output), batch, model.settings)["total"].backward()
        optimizer.step()

    step()
    wait_for(position.torch)
    begun = time.perf_counter()
    for _ in range(steps):
        step()
    wait_for(position.torch)
    return (time.perf_counter() - begun) / steps


def _in_float32(output: Output) -> Output:
    alignment, text = (None if x is None else x.float() for x in (output.alignment, output.text))
    return Output(output.features.float(), output.logits.float(), alignment, text)
