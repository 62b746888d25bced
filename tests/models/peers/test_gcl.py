"""GCL against lists of segments; how it starts, what is trusted, who teaches whom; padding, edges."""

from __future__ import annotations

import torch

from mmvad.models.model import trainable_parameters
from mmvad.models.peers.gcl.network import Gcl, build, trusted
from mmvad.models.peers.gcl.settings import GclSettings
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    small_setting,
)
from tests.plain.peers import gcl as plain
from tests.small import batch

ONE_GRAPH = False  # linear layers, a segment at a time

LENGTHS = [1, 4, 17, 20]


def made(epoch: int = 9, **changes: object) -> Gcl:
    torch.manual_seed(0)
    model = build(small_setting(), GclSettings(**changes)).eval()
    model.start_epoch(epoch, 10)
    return model


def test_losses_against_loops() -> None:
    model, data = made(), batch(LENGTHS)
    found = model(data)
    theirs = plain.losses(model, [x for b, n in enumerate(LENGTHS) for x in data.visual[b, :n]])
    for name, loss in model.losses(found, data).items():
        torch.testing.assert_close(loss, theirs[name], rtol=1e-5, atol=1e-5, msg=name)


def test_the_generator_starts_alone_on_normal_videos() -> None:
    model, data = made(epoch=2), batch(LENGTHS)
    found = model(data)
    losses = model.losses(found, data)
    rows = [x for b, n in enumerate(LENGTHS) if not data.abnormal[b] for x in data.visual[b, :n]]
    errors = [((x - plain.chain(model.generator, x)) ** 2).sum() for x in rows]
    torch.testing.assert_close(losses["total"], torch.stack(errors).mean())
    losses["total"].backward()
    assert not any(p.grad.any() for p in model.discriminator.parameters())


def test_steady_segments_need_no_label() -> None:
    data = batch([4, 3])
    data.visual[0, 1] = data.visual[0, 0] + 0.01
    found = trusted(data, GclSettings(start="steady", steady=0.1))
    assert found.tolist() == [[True, True, False, False], [True, False, False, False]]


def test_what_holds_for_every_peer() -> None:
    assert_padding_changes_nothing(made(), LENGTHS, 7)
    assert_strange_bags_are_finite(made().train())
    assert_trains(made(epoch=0), batch([12, 16, 9, 20]))


def test_parameters() -> None:
    """Generator 2048-1024-512-256 and back, discriminator 2048-512-32-1."""
    with torch.device("meta"):
        count = trainable_parameters(build(small_setting(visual=2048), GclSettings()))
    widths = [(2048, 1024), (1024, 512), (512, 256), (256, 512), (512, 1024), (1024, 2048)]
    assert count == sum(a * b + b for a, b in [*widths, (2048, 512), (512, 32), (32, 1)])
