"""The lineage's graphs against loops over pairs of segments, and their indifference to padding."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mmvad.models.peers.graphs import GraphBranch, lineage_similarity, normalised_distance, score_graph
from tests.models.peers.drawn import made as drawn
from tests.models.peers.drawn import xavier_scale
from tests.plain.peers import graphs as plain

LENGTHS = [1, 3, 12]


def videos(lengths: list[int], length: int, garbage: float = 0.0) -> tuple[Tensor, Tensor]:
    """[B, L, 6] whose neighbours are alike, so that cosines lie on both sides of 0.7; and the mask."""
    x = torch.zeros(len(lengths), length, 6)
    for b, n in enumerate(lengths):
        draw = torch.Generator().manual_seed(b)
        x[b, :n] = torch.randn(1, 6, generator=draw) + 0.7 * torch.randn(n, 6, generator=draw)
        x[b, n:] = garbage * torch.randn(length - n, 6, generator=draw)
    return x, torch.arange(length) < torch.tensor(lengths)[:, None]


def adjacencies(x: Tensor, mask: Tensor) -> dict[str, Tensor]:
    return {
        "similarity": lineage_similarity(x, mask),
        "distance": normalised_distance(mask),
        "score": score_graph(x[..., 0].sigmoid(), mask),
    }


def test_graphs_against_double_loops() -> None:
    x, mask = videos(LENGTHS, 12)
    found = adjacencies(x, mask)
    cosines = torch.nn.functional.cosine_similarity(x[2, :, None], x[2, None], dim=-1)
    assert (cosines > 0.7).sum() > 12, "the example must have neighbours on both sides of the cut"
    assert (cosines < 0.7).any()
    for b, n in enumerate(LENGTHS):
        rows = x[b, :n]
        wanted = {
            "similarity": plain.lineage_similarity(rows),
            "distance": plain.normalised_distance(n),
            "score": plain.score_graph(rows[:, 0].sigmoid()),
        }
        for name, graph in found.items():
            torch.testing.assert_close(graph[b, :n, :n], wanted[name], rtol=1e-5, atol=1e-6)
            assert not graph[b, :, n:].any()


def test_what_is_cut_still_weighs() -> None:
    x = torch.eye(6)[None, :4]
    graph = lineage_similarity(x, torch.ones(1, 4, dtype=torch.bool))
    torch.testing.assert_close(graph[0, 0], torch.tensor([torch.e, 1, 1, 1]) / (torch.e + 3))


def test_silence_and_far_padding_are_finite() -> None:
    mask = torch.arange(500)[None] < 3
    for graph in adjacencies(torch.zeros(1, 500, 6), mask).values():
        assert graph.isfinite().all()
    torch.testing.assert_close(lineage_similarity(torch.zeros(1, 500, 6), mask)[0, :3, :3], torch.full((3, 3), 1 / 3))


@pytest.mark.parametrize("widths", [(6, 4), (6, 6)])
def test_branch_against_loops(widths: tuple[int, int]) -> None:
    torch.manual_seed(0)
    branch = GraphBranch(*widths, nn.ReLU(), dropout=0.6).eval()
    x, mask = videos(LENGTHS, 12)
    adjacency = lineage_similarity(x, mask)
    found = branch(x, adjacency, mask)
    for b, n in enumerate(LENGTHS):
        wanted = plain.graph_branch(branch, x[b, :n], plain.lineage_similarity(x[b, :n]), torch.relu)
        torch.testing.assert_close(found[b, :n], wanted, rtol=1e-5, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(1, 12))
def test_padding_changes_nothing(lengths: list[int], more: int) -> None:
    torch.manual_seed(0)
    branch = GraphBranch(6, 4, nn.ReLU())
    x, mask = videos(lengths, max(lengths))
    longer, longer_mask = videos(lengths, max(lengths) + more, garbage=100.0)
    for (name, graph), again in zip(adjacencies(x, mask).items(), adjacencies(longer, longer_mask).values()):
        rows, longer_rows = branch(x, graph, mask), branch(longer, again, longer_mask)
        for b, n in enumerate(lengths):
            torch.testing.assert_close(again[b, :n, :n], graph[b, :n, :n], msg=name)
            torch.testing.assert_close(longer_rows[b, :n], rows[b, :n], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["vadclip", "avadclip"])
def test_graphs_are_xavier_and_learned_vectors_small(name: str) -> None:
    model = drawn(name).eval()
    own = model.teacher if name == "avadclip" else model
    for branch in (own.visual.similarity, own.visual.distance):
        weight = branch.layers[0].weight
        bound = math.sqrt(3) * xavier_scale(weight)
        assert 0.9 * bound < weight.weight.abs().max() <= bound  # torch's own draws end at 0.71 of it
    for vectors in (own.visual.positions, own.branches.texts.rows):
        assert vectors.std().item() == pytest.approx(0.01, rel=0.1)
