"""Under mixed precision every method's scores are float32, as reports and metrics take them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmvad.benchmarks.registry import PLANTED
from mmvad.config.load import load_config
from mmvad.models.peers.registry import PEERS
from mmvad.training.build import Widths, build_model, build_text
from tests.models.peers.properties import bags
from tests.small import AUDIO_WIDTH, WIDTH, batch

EXPERIMENTS = Path(__file__).resolve().parents[3] / "experiments"


@pytest.mark.parametrize("name", PEERS)
def test_scores_are_float32_under_mixed_precision(name: str) -> None:
    files = [EXPERIMENTS / "planted.yaml", EXPERIMENTS / "peers" / f"{name}_planted.yaml"]
    config, widths = load_config(files), Widths(2 * WIDTH, AUDIO_WIDTH)
    torch.manual_seed(0)
    model = build_model(config, widths, PLANTED, build_text(config, widths))
    model.fit_offline([bags((32,), 32, seed=i, labels=[[0]], wide=True) for i in range(4)])
    videos = bags((32, 32), 32) if config.data.crops == "together" else batch([32, 20], audio=config.uses_audio)
    if videos.visual.shape[-1] == WIDTH:
        videos = videos._replace(visual=torch.cat([videos.visual, videos.visual], dim=-1))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        scores = model.eval().scores(model(videos))
    assert scores.coarse is not None
    assert scores.coarse.dtype == torch.float32
    assert scores.classes is None or scores.classes.dtype == torch.float32
