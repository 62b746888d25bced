"""Compiled training steps: one graph, the same numbers, and only where they pay."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmvad.models.dual_stream_model import DualStreamModel
from mmvad.models.model import Batch, Model
from mmvad.training import compiling
from mmvad.training.compiling import WORTH_COMPILING, batch_losses, compiled_losses, compiles
from tests.small import WIDTH, batch, gradients, losses, network

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("changes", [{}, {"contrast_pairing": "foreground", "fine_pooling": "class"}])
def test_a_step_of_the_dual_stream_network_is_one_graph_with_the_same_numbers(
    changes: dict[str, object],
) -> None:
    """`fullgraph` refuses whatever waits for a value or has shapes that depend on one."""
    model, videos = DualStreamModel(network(), losses(**changes)), batch([5, 8, 20, 33], 40)
    found = {}
    for name, function in {
        "plain": batch_losses,
        "graph": torch.compile(batch_losses, backend="aot_eager", fullgraph=True, dynamic=False),
    }.items():
        model.zero_grad()
        found[name] = function(model, videos)
        found[name]["total"].backward()
        found[name] |= {f"d {name}": gradient for name, gradient in gradients(model).items()}
    for name, value in found["plain"].items():
        torch.testing.assert_close(found["graph"][name], value, rtol=1e-4, atol=1e-5, msg=lambda t, n=name: f"{n}: {t}")


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """How often each graph has run, in the order in which they were compiled: by a backend that fuses nothing."""
    counts: list[list[int]] = []

    def backend(graph: torch.fx.GraphModule, inputs: object) -> object:
        count = [0]
        counts.append(count)

        def run(*values: object) -> object:
            count[0] += 1
            return graph.forward(*values)

        return run

    compile_with = torch.compile
    compiled = lambda function, dynamic, **options: compile_with(function, backend=backend, dynamic=dynamic)  # noqa: E731
    monkeypatch.setattr(torch, "compile", compiled)
    return counts


class OneLayer(Model[torch.Tensor]):
    """The least that can be compiled: a linear layer and the mean of what it gives."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(WIDTH, 1)

    def forward(self, batch: Batch) -> torch.Tensor:
        return self.layer(batch.visual)

    def losses(self, output: torch.Tensor, batch: Batch) -> dict[str, torch.Tensor]:
        return {"total": output.mean()}


def test_each_run_compiles_anew(runs: list[list[int]]) -> None:
    """torch runs the ninth form of a function plainly: a sweep's worker that lives for many cells would lose it."""
    for run in range(10):
        compiled_losses()(OneLayer(), batch([5, 20], 24))
        assert len(runs) == run + 1


def test_one_form_serves_all_weights_of_losses_and_seeds(runs: list[list[int]]) -> None:
    """Which is why the next cell of a sweep over them finds its kernels in torch's cache on disk."""
    compiled = torch.compile(batch_losses, dynamic=False)
    for seed in range(3):
        model, videos = DualStreamModel(network(seed), losses(lambda_contrast=0.1 * seed)), batch([5, 20], 24)
        torch.testing.assert_close(compiled(model, videos)["total"], batch_losses(model, videos)["total"])
    assert runs == [[3]]


def test_a_smaller_last_batch_is_not_compiled(runs: list[list[int]]) -> None:
    """Two epochs of two whole batches and a smaller one: one graph, and every step's gradients are the plain ones."""
    model, function = DualStreamModel(network(), losses()), compiled_losses()
    for step in range(6):
        videos = batch([5, 20, 9, 24] if step % 3 < 2 else [7, 24], 24, seed=step)
        found = {}
        for name, form in {"plain": batch_losses, "ours": function}.items():
            model.zero_grad()
            form(model, videos)["total"].backward()
            found[name] = gradients(model)
        torch.testing.assert_close(found["ours"], found["plain"], rtol=1e-4, atol=1e-5)
        assert any(gradient.any() for gradient in found["ours"].values())
    assert runs == [[4]]


def test_a_compiler_is_looked_for_as_triton_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("torch.utils._triton.has_triton", lambda: True)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    (tmp_path / "Python.h").touch()
    assert not compiling._can_compile()
    (tmp_path / "gcc").touch(mode=0o755)
    assert compiling._can_compile()
    monkeypatch.setenv("CC", "ccache gcc")  # which Triton takes for one program's name
    assert not compiling._can_compile()
    monkeypatch.delenv("CC")
    (tmp_path / "Python.h").unlink()
    assert not compiling._can_compile()


def test_where_steps_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_can_compile", lambda: True)
    ours, broken, peer = DualStreamModel(network(), losses()), Model[object](), Model[object]()
    peer.one_graph = True
    assert compiles("auto", ours, CUDA, WORTH_COMPILING)
    assert not compiles("auto", ours, CUDA, WORTH_COMPILING - 1)
    assert compiles("auto", peer, CUDA, WORTH_COMPILING)
    assert not compiles("auto", broken, CUDA, WORTH_COMPILING)
    assert compiles("on", ours, CUDA, 1)
    assert compiles("on", peer, CUDA, 1)
    assert not compiles("on", broken, CUDA, WORTH_COMPILING)
    assert not compiles("off", ours, CUDA, WORTH_COMPILING)
    assert not compiles("on", ours, CPU, WORTH_COMPILING)
    monkeypatch.setattr(compiling, "_can_compile", lambda: False)
    assert not compiles("auto", ours, CUDA, WORTH_COMPILING)
