"""UR-DMU against heads and memory slots one by one; the sampled normal side, pairs, padding, parameters."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.models.model import trainable_parameters
from mmvad.models.peers.ur_dmu.network import UrDmu, build, separation_losses
from mmvad.models.peers.ur_dmu.settings import UrDmuSettings
from tests.models.peers.drawn import chain
from tests.models.peers.drawn import made as drawn
from tests.models.peers.joined import rows
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    small_setting,
)
from tests.plain.peers import ur_dmu as plain
from tests.small import batch

DROPOUT = {f"blocks.{i}.{place}": 0.5 for i in range(2) for place in ("attention.output.1", "ffn.2", "ffn.4")}

LENGTHS = [1, 16, 33, 7]


def made(*, audio: bool = True, **changes: object) -> UrDmu:
    torch.manual_seed(0)
    return build(small_setting(audio=8 if audio else None), UrDmuSettings(**({"width": 32} | changes))).eval()


@pytest.mark.parametrize("audio", [True, False])
def test_forward_and_losses_against_loops(audio: bool) -> None:
    model, data = made(audio=audio), batch(LENGTHS, audio=audio)
    found = model(data)
    wanted = [plain.forward(model, x) for x in rows(data, LENGTHS)]
    coarse = model.scores(found).coarse
    for b, (n, video) in enumerate(zip(LENGTHS, wanted, strict=True)):
        ours = (found.rows, found.abnormal, found.normal, found.abnormal_latent, found.mean, found.log_variance, coarse)
        for one, other in zip(ours, video, strict=True):
            torch.testing.assert_close(one[b, :n], other, rtol=1e-5, atol=1e-5)
    theirs = plain.losses(wanted, data.abnormal.tolist())
    for name, loss in model.losses(found, data).items():
        torch.testing.assert_close(loss, theirs[name], rtol=1e-5, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")


def test_only_the_normal_side_of_normal_videos_is_sampled_and_only_in_training() -> None:
    model, data = made(dropout=0.0), batch(LENGTHS)
    calm = model(data)
    assert torch.equal(calm.normal_latent, calm.mean)
    model.train()
    torch.manual_seed(3)
    noise = torch.randn_like(calm.mean)
    torch.manual_seed(3)
    sampled = model(data)
    for b, abnormal in enumerate(data.abnormal):
        wanted = calm.mean[b] + (0 if abnormal else noise[b] * calm.log_variance[b].exp().sqrt())
        torch.testing.assert_close(sampled.normal_latent[b], wanted)
        assert torch.equal(sampled.logits[b], calm.logits[b]) == bool(abnormal)


def test_pairs_follow_the_order_within_their_kind() -> None:
    """A batch with the normal videos first has the pairs of one that alternates."""
    model, data = made(), batch([9, 12, 20, 17])
    order = torch.tensor([1, 3, 0, 2])
    moved = data._replace(**{k: getattr(data, k)[order] for k in ("visual", "audio", "has_audio", "mask", "labels")})
    one, other = (separation_losses(model(d), d) for d in (data, moved))
    for name, loss in one.items():
        assert loss > 0
        torch.testing.assert_close(other[name], loss, rtol=1e-4, atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(1, 20), st.sampled_from(["rows", "columns"]))
def test_padding_changes_nothing(lengths: list[int], more: int, distance: str) -> None:
    assert_padding_changes_nothing(made(distance=distance), lengths, more)


@pytest.mark.parametrize(("visual", "count"), [(1024, 6_492_929), (512, 5_706_497)])
def test_parameters(visual: int, count: int) -> None:
    with torch.device("meta"):
        assert trainable_parameters(build(small_setting(visual=visual, audio=None), UrDmuSettings())) == count


def test_edges_and_learning() -> None:
    assert_strange_bags_are_finite(made().train())
    assert_trains(made(), batch([12, 16, 9, 20]))


def test_dropout_lies_behind_the_activation_and_the_memory_is_drawn() -> None:
    model = drawn("ur_dmu")
    assert chain(model, "blocks.0.ffn") == ["Linear", "GELU", "Dropout", "Linear", "Dropout"]
    memory = model.abnormal.slots
    bound = 1 / math.sqrt(memory.shape[1])
    assert memory.shape == (60, 512)
    assert 0.99 * bound < memory.abs().max() <= bound
