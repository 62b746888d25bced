"""A peer's step is one graph of fixed shapes, which nothing waits for, with the numbers of the CPU's own form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mmvad.benchmarks.registry import PLANTED
from mmvad.config.load import load_config
from mmvad.models.losses.pooling import top_mean
from mmvad.models.model import Batch, Model
from mmvad.models.peers.registry import PEERS
from mmvad.training.build import Widths, build_model, build_text
from mmvad.training.compiling import batch_losses
from tests.models.peers.drawn import said
from tests.models.peers.properties import awake, bags
from tests.small import AUDIO_WIDTH, WIDTH, batch, gradients

EXPERIMENTS = Path(__file__).resolve().parents[3] / "experiments"
UNTRAINED = {"random_scores", "one_class_svm"}


def step_of(name: str) -> tuple[Model[Any], Batch]:
    """A small peer as it is shipped, and a batch of it: of both kinds, more of one, with padding."""
    config = load_config(
        [EXPERIMENTS / "planted.yaml", EXPERIMENTS / "peers" / f"{name}_planted.yaml"], said(name, "SMALL_GRAPH", [])
    )
    widths, kinds = Widths(2 * WIDTH, AUDIO_WIDTH), [[0], [2], [3], [0], [1]]
    torch.manual_seed(0)
    model = build_model(config, widths, PLANTED, build_text(config, widths))
    model.fit_offline([bags((32,), 32, seed=i, labels=[[0]], wide=True) for i in range(4)])
    videos = bags((32, 9, 20, 32, 25), 32, labels=kinds)
    if config.data.crops != "together":
        videos = batch([32, 20, 7, 14, 30], labels=kinds, audio=config.uses_audio)
    return awake(model).train(), videos._replace(visual=torch.cat([videos.visual, videos.visual.flip(-1)], dim=-1))


def still(model: Model[Any]) -> None:
    """Without dropout: compiled, it draws from another stream."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if isinstance(module, torch.nn.MultiheadAttention):
            module.dropout = 0.0


def numbers(function: Any, model: Model[Any], videos: Batch) -> dict[str, torch.Tensor]:
    """Losses, gradients, and the buffers that a step leaves."""
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model.zero_grad()
    torch.manual_seed(1)
    found = function(model, videos)
    found["total"].backward()
    after = {f"buffer {name}": buffer.clone() for name, buffer in model.named_buffers()}
    for name, buffer in model.named_buffers():
        buffer.copy_(before[name])
    return found | {f"gradient of {name}": g for name, g in gradients(model).items()} | after


@pytest.mark.parametrize("name", [name for name in PEERS if name not in UNTRAINED and said(name, "ONE_GRAPH", True)])
def test_a_step_is_one_graph_with_the_same_numbers(name: str) -> None:
    """`fullgraph` refuses whatever waits for a value or has shapes that depend on one.

    `eager` says that the forward step is one graph, which is what a peer decides, and runs its backward step as it is.
    Peers that say `TRACED_BACK` (attention, convolutions, graphs of texts) have that traced: all would take minutes.
    """
    model, videos = step_of(name)
    if not model.one_graph:
        pytest.skip(f"{name} does not say that it is one graph")
    still(model)
    model.start_epoch(3, 10)
    torch.compiler.reset()
    backend = "aot_eager" if said(name, "TRACED_BACK") else "eager"
    graph = torch.compile(batch_losses, backend=backend, fullgraph=True, dynamic=False)
    plain, compiled = (numbers(function, model, videos) for function in (batch_losses, graph))
    for key, value in plain.items():
        scale = value.abs().max().clamp(min=1).item() if value.is_floating_point() and value.numel() else 1
        torch.testing.assert_close(
            compiled[key], value, rtol=1e-4, atol=1e-5 * scale, msg=lambda text, k=key: f"{k}: {text}"
        )


def test_weights_that_follow_the_epochs_need_no_new_graph() -> None:
    model, videos = step_of("macil_sd")
    still(model)
    with torch.no_grad():  # so that some videos count as abnormal and some as normal: else nothing is contrasted
        model.both.classify.bias -= top_mean(model(videos).logits, videos.mask).median() / 2
    torch.compiler.reset()
    graphs: list[object] = []

    def backend(graph: torch.fx.GraphModule, inputs: object) -> object:
        graphs.append(graph)
        return graph.forward

    function, totals = torch.compile(batch_losses, backend=backend, fullgraph=True, dynamic=False), []
    for epoch in range(3):
        model.start_epoch(epoch, 3)
        totals.append(function(model, videos)["total"].item())
    assert len(graphs) == 1
    assert len(set(totals)) == 3
