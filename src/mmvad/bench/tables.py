"""How long all of the paper's tables take on one GPU: the cells of the shipped sweeps times steps measured here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mmvad.bench.gpu import BENCHMARKS
from mmvad.bench.made import configuration
from mmvad.bench.training import CROPS, Trained, train_steps
from mmvad.config.identity import run_identity
from mmvad.config.schema import Config
from mmvad.data.sampling import EpochSampler
from mmvad.environment import Place
from mmvad.progress import track
from mmvad.sweeps.cells import expand
from mmvad.sweeps.definition import read_sweep

LAMBDAS = ("lambda_contrast", "lambda_embed", "lambda_grid")
OTHERS = ("components", "acp", "losses", "segments", "learning_rate", "batch_size", "prompts")
SWEEPS = ("compare", "modalities", *OTHERS, *LAMBDAS)
"""Those of Tables I to XII and figure 5."""
TRAINING_VIDEOS = {"xd_violence": (2049, 1905), "ucf_crime": (800, 810)}
"""Normal and abnormal."""
SEEDS = 3


@dataclass(frozen=True)
class Cell:
    """A row of the tables, for one seed: its sweep and configuration."""

    sweep: str
    config: Config

    @cached_property
    def steps(self) -> int:
        """Of a whole run on the benchmark's own training videos."""
        data = self.config.data
        crops = 1 if data.crops == "together" else CROPS
        normal, abnormal = (crops * videos for videos in TRAINING_VIDEOS[self.config.benchmark])
        kinds = np.repeat([False, True], [normal, abnormal])
        return self.config.optim.epochs * len(EpochSampler(kinds, data.batch_size, 0, data.balanced))

    @property
    def anchor(self) -> str:
        """What stands for its step: a peer's own; ours with a prompt a video, or with one text for all, or without."""
        if self.config.model.name != "dual_stream":
            return self.config.model.name
        return "prompt a video" if self.a_prompt_a_video else "one text or none"

    @property
    def a_prompt_a_video(self) -> bool:
        return self.config.uses_text and self.config.model.acp in {"pre", "pre_post"}


def cells(benchmark: str, seed: int = 0) -> list[Cell]:
    """The distinct runs of all tables for one seed, in the order of the sweeps."""
    root = Path(__file__).resolve().parents[3] / "sweeps"
    found: dict[str, Cell] = {}
    for sweep in SWEEPS:
        for _, config in expand(read_sweep(root / f"{sweep}.yaml", benchmark, (seed,)), ["model.text.weights=random"]):
            found.setdefault(run_identity(config, benchmark, None, ""), Cell(sweep, config))
    return list(found.values())


def anchors(listed: Iterable[Cell], benchmark: str) -> dict[str, Config]:
    """One configuration to measure for every anchor: the base one, one without the context prompt, each peer's."""
    own = {"prompt a video": configuration(benchmark), "one text or none": configuration(benchmark, "model.acp=none")}
    peers = {cell.anchor: cell.config for cell in listed if cell.anchor not in own}
    return own | {name: config for name, config in peers.items() if name not in {"random_scores", "one_class_svm"}}


@dataclass(frozen=True)
class Projection:
    """Hours of one benchmark's tables, all seeds: by sweep; and the measured anchors."""

    benchmark: str
    runs: int
    hours: dict[str, float]
    measured: dict[str, Trained]


def projections(place: Place, benchmarks: tuple[str, ...] = BENCHMARKS) -> Iterator[Projection]:
    """Measures the anchors of a benchmark and adds its cells up."""
    for name in benchmarks:
        listed = cells(name)
        wanted = anchors(listed, name)
        ours = {"prompt a video", "one text or none"}
        measured = {
            anchor: train_steps(config, place, compiled=anchor in ours, warm=5, steps=15 if anchor in ours else 6)
            for anchor, config in track(wanted.items(), f"steps of {name}", len(wanted))
        }
        yield project(name, listed, wanted, measured)


def project(benchmark: str, listed: list[Cell], wanted: dict[str, Config], measured: dict[str, Trained]) -> Projection:
    """Every cell's steps times its anchor's step, as much longer as `growth` says, and what comes before the first."""
    hours: dict[str, float] = {}
    for cell in listed:
        if cell.anchor in measured:
            spent = measured[cell.anchor]
            seconds = cell.steps * spent.seconds * growth(cell.config, wanted[cell.anchor]) + spent.first
            hours[cell.sweep] = hours.get(cell.sweep, 0.0) + SEEDS * seconds / 3600
    return Projection(benchmark, SEEDS * len(listed), hours, measured)


def growth(config: Config, base: Config) -> float:
    """How much longer a step is taken to be: in proportion to videos, and to a longer L or prompt."""
    videos = config.data.batch_size / base.data.batch_size
    length = config.data.segment_length / base.data.segment_length
    prompt = (1 + config.model.prompt_half) / (1 + base.model.prompt_half)
    return videos * max(1.0, length) * max(1.0, prompt)


def projection_table(found: Iterable[Projection]) -> str:
    """Hours by sweep, and the steps that they rest on, in Markdown."""
    lines, total = ["| benchmark | sweep | hours |", "|---|---|---|"], 0.0
    notes = []
    for each in found:
        lines += [f"| {each.benchmark} | {sweep} | {hours:.2f} |" for sweep, hours in each.hours.items()]
        total += sum(each.hours.values())
        steps = ", ".join(f"{name} {1000 * t.seconds:.1f}" for name, t in each.measured.items())
        notes.append(f"- {each.benchmark}: {each.runs} runs; milliseconds a step: {steps}")
    return "\n".join([*lines, f"| both | all, {SEEDS} seeds | {total:.1f} |", "", *notes])
