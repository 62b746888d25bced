"""BN-WVAD against a form that chooses segments one by one; its statistics; padding, parameters, edges."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmvad.models.layout import choose_layout
from mmvad.models.model import Batch, trainable_parameters
from mmvad.models.peers.bn_wvad.network import BnWvad, build
from mmvad.models.peers.bn_wvad.settings import BnWvadSettings
from tests.models.peers.properties import (
    STRANGE,
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    awake,
    close,
    small_setting,
    valid_rows,
)
from tests.plain.network import layer_norm, linear
from tests.plain.objectives import number
from tests.plain.peers.ur_dmu import attention, convolution, gelu
from tests.small import batch

LENGTHS = [10, 1, 33, 7, 16]


def made(**changes: object) -> BnWvad:
    torch.manual_seed(0)
    model = build(small_setting(audio=None), BnWvadSettings(**({"width": 64} | changes)))
    awake(model)
    return model.eval()


def videos(*args: object, **more: object) -> Batch:
    return batch(*args, **more, audio=False)  # type: ignore[arg-type]


def plain_forward(model: BnWvad, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """s [n] and both distances [n] of one video, from the running statistics."""
    x = torch.relu(convolution(model.embed, x))
    for block in model.blocks:
        x = x + attention(block.attention, layer_norm(block.norm_attention, x))
        x = x + linear(block.ffn[3], gelu(linear(block.ffn[0], layer_norm(block.norm_ffn, x))))
    distances = []
    for layer, masked in zip(model.layers, model.norms):
        x, norm = linear(layer, x), masked.norm
        apart = [((row - norm.running_mean) ** 2 / norm.running_var).sum() ** 0.5 for row in x]
        distances.append(torch.stack(apart))
        x = (x - norm.running_mean) / (norm.running_var + norm.eps) ** 0.5
        x = torch.relu(x * norm.weight + norm.bias)
    return torch.sigmoid(linear(model.output, x)).squeeze(-1), distances


def plain_triplet(distances: list[Tensor], abnormal: list[bool], of_video: float, of_batch: float) -> Tensor:
    """Segments as (distance, video, place); the farthest of each abnormal video and of all, against normal ranks."""
    strange = [(number(d), b, t) for b, y in enumerate(abnormal) if y for t, d in enumerate(distances[b])]
    chosen = set(sorted(strange, key=lambda s: -s[0])[: int(of_batch * len(strange))])
    for b, y in enumerate(abnormal):
        own = sorted((s for s in strange if s[1] == b), key=lambda s: -s[0])
        chosen |= set(own[: int(of_video * len(own))]) if y else set()
    ranked = [
        (rank, b, value)
        for b, y in enumerate(abnormal)
        if not y
        for rank, value in enumerate(sorted(distances[b], key=lambda d: -number(d)))
    ]
    normal = [value for _, _, value in sorted(ranked, key=lambda s: s[:2])]
    far = [distances[b][t] for _, b, t in sorted(chosen, key=lambda s: s[1:])]
    hinges = [torch.relu(n - a + 1) for n, a in zip(normal, far)]
    return sum(hinges[1:], hinges[0]) / len(hinges)


def test_forward_and_losses_against_loops() -> None:
    model, data = made(), videos(LENGTHS, labels=[[1], [0], [2], [0], [0]])
    with torch.no_grad():
        found, wanted = model(data), [plain_forward(model, x) for x in valid_rows(data)]
        coarse, losses = model.scores(found).coarse, model.losses(found, data)
    for b, (n, (s, (first, second))) in enumerate(zip(LENGTHS, wanted, strict=True)):
        raised = (first + second) * s
        torch.testing.assert_close(coarse[b, :n], raised / (1 + raised), **close)
    abnormal = data.abnormal.tolist()
    normal = [(s**2).sum() ** 0.5 for (s, _), y in zip(wanted, abnormal) if not y]
    triplets = [plain_triplet([d[i] for _, d in wanted], abnormal, 0.2, 0.4) for i in range(2)]
    assert all(t > 0 for t in triplets)
    theirs = {"normal": sum(normal) / len(normal), "divergence": 5 * triplets[0] + 20 * triplets[1]}
    for name, loss in (theirs | {"total": theirs["normal"] + theirs["divergence"]}).items():
        torch.testing.assert_close(losses[name], loss, **close)


def test_distances_are_from_the_statistics_that_the_batch_has_moved() -> None:
    model, data = made().train(), videos(LENGTHS)
    narrow: list[Tensor] = []
    model.layers[0].register_forward_hook(lambda _, __, out: narrow.append(out))
    norm = model.norms[0].norm
    before = norm.running_mean.clone()
    found = model(data)
    assert not torch.equal(before, norm.running_mean)
    wanted = ((narrow[0] - norm.running_mean).square() / norm.running_var).sum(dim=-1).sqrt()
    wanted = choose_layout(data.mask).padded(wanted)
    torch.testing.assert_close(found.distances[0][data.mask], wanted[data.mask], **close)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=4), st.integers(1, 20))
def test_padding_changes_nothing(lengths: list[int], more: int) -> None:
    assert_padding_changes_nothing(made(), lengths, more, makers=[videos])


def test_parameters() -> None:
    with torch.device("meta"):
        model = build(small_setting(visual=1024, audio=None), BnWvadSettings())
    assert trainable_parameters(model) == 5_791_905, "as many as the public code's"


def test_edges_and_learning() -> None:
    assert_strange_bags_are_finite(made().train(), makers=[videos], strange=STRANGE)
    assert_trains(made(), videos([12, 16, 9, 20]))
