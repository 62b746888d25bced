"""Under mixed precision every method's scores are float32 from the last layer on: bfloat16 would make ties of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mmvad.benchmarks.registry import PLANTED
from mmvad.config.load import load_config
from mmvad.models.model import Batch, Model, Scores
from mmvad.models.peers.registry import PEERS
from mmvad.training.build import Widths, build_model, build_text
from tests.models.peers.properties import awake, bags
from tests.small import AUDIO_WIDTH, WIDTH, batch

EXPERIMENTS = Path(__file__).resolve().parents[3] / "experiments"


@pytest.mark.parametrize("name", PEERS)
def test_scores_are_float32_under_mixed_precision(name: str) -> None:
    """As many different ones as in single precision: of 256 segments bfloat16's 8 bits would leave about 100."""
    files = [EXPERIMENTS / "planted.yaml", EXPERIMENTS / "peers" / f"{name}_planted.yaml"]
    config, widths = load_config(files), Widths(2 * WIDTH, AUDIO_WIDTH)
    torch.manual_seed(0)
    model = build_model(config, widths, PLANTED, build_text(config, widths))
    model.fit_offline([bags((32,), 32, seed=i, labels=[[0]], wide=True) for i in range(4)])
    awake(model).eval()
    together, lengths = config.data.crops == "together", [32] * 8
    videos = bags(lengths, 32, crops=1) if together else batch(lengths, audio=config.uses_audio)
    if videos.visual.shape[-1] == WIDTH:
        videos = videos._replace(visual=torch.cat([videos.visual, videos.visual.flip(-1)], dim=-1))
    exact, mixed = scored(model, videos, mixed=False), scored(model, videos, mixed=True)
    for one, other in zip(exact, mixed, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert other.dtype == torch.float32
            assert len(other.unique()) >= 0.97 * len(one.unique())


def scored(model: Model[Any], videos: Batch, *, mixed: bool) -> Scores:
    torch.manual_seed(0)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        return model.scores(model(videos))
