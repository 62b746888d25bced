"""The cells of the paper's tables: the runs of the shipped sweeps, their steps, and whose step stands for theirs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from mmvad.bench.made import configuration
from mmvad.bench.training import CROPS
from mmvad.config.identity import run_identity
from mmvad.config.schema import Config
from mmvad.data.sampling import EpochSampler
from mmvad.sweeps.cells import expand
from mmvad.sweeps.definition import read_sweep

LAMBDAS = ("lambda_contrast", "lambda_embed")
OTHERS = ("components", "acp", "losses", "segments", "learning_rate", "batch_size", "prompts")
SWEEPS = ("compare", "modalities", *OTHERS, *LAMBDAS, "lambda_grid")
"""Those of Tables I to XII and figure 5."""
TRAINING_VIDEOS = {"xd_violence": (2049, 1905), "ucf_crime": (800, 810)}
"""Normal and abnormal."""
OURS = "dual_stream"
A_PROMPT_A_VIDEO, ONE_TEXT = "prompt a video", "one text or none"
NOT_LEARNED = {"random_scores", "one_class_svm"}
"""They take no steps that would be worth counting."""


@dataclass(frozen=True)
class Cell:
    """A row of the tables, for one seed: its sweep and configuration."""

    sweep: str
    config: Config

    @cached_property
    def epoch(self) -> EpochSampler:
        """The batches of the benchmark's own training videos."""
        data = self.config.data
        crops = 1 if data.crops == "together" else CROPS
        normal, abnormal = (crops * videos for videos in TRAINING_VIDEOS[self.config.benchmark])
        return EpochSampler(np.repeat([False, True], [normal, abnormal]), data.batch_size, 0, data.balanced)

    @property
    def steps(self) -> int:
        """Of a whole run."""
        return self.config.optim.epochs * len(self.epoch)

    @cached_property
    def form(self) -> str:
        """What a compiled step is made for: what the configuration says of graph and shapes.

        lambda1, lambda2 and learning rates are no part of it, and seeds are none.
        """
        config, data = self.config, self.config.data
        losses = config.loss.model_dump(exclude=set(LAMBDAS))
        return str((config.model.model_dump(), losses, config.modalities, data.batch_size, data.segment_length))

    @property
    def learns(self) -> bool:
        return self.config.model.name not in NOT_LEARNED

    @property
    def is_ours(self) -> bool:
        return self.config.model.name == OURS

    @property
    def anchor(self) -> str:
        """What stands for its step: a peer's own; ours of the same shape, which is all that a GPU's time depends on.

        A shape is a prompt a video or not (one text for all, or none), B, L and M/2; the last three are named where
        they are not the base configuration's. Losses, rates, sound and parts of the network are the base's throughout.
        """
        if not self.is_ours:
            return self.config.model.name
        base = _base(self.config.benchmark)
        parts = {
            "B": (self.config.data.batch_size, base.data.batch_size),
            "L": (self.config.data.segment_length, base.data.segment_length),
            "M/2": (self.config.model.prompt_half, base.model.prompt_half),
        }
        names = [f"{name} {own}" for name, (own, usual) in parts.items() if own != usual]
        return ", ".join([A_PROMPT_A_VIDEO if self.a_prompt_a_video else ONE_TEXT, *names])

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
    """What to measure for every anchor: the base configuration, that without the context prompt, else a cell's own."""
    found = {A_PROMPT_A_VIDEO: _base(benchmark), ONE_TEXT: configuration(benchmark, "model.acp=none")}
    for cell in listed:
        if cell.learns:
            found.setdefault(cell.anchor, cell.config)
    return found


def related(listed: Sequence[Cell], anchor: str, config: Config) -> Config | None:
    """The last cell of this anchor that is of another form than `config`; None if all are of the same."""
    form = Cell("", config).form
    return next((c.config for c in reversed(listed) if c.anchor == anchor and c.form != form), None)


@cache
def _base(benchmark: str) -> Config:
    return configuration(benchmark)
