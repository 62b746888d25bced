"""DAR: that its online part sees the past alone, what it learns and foresees by hand; padding, edges."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from mmvad.models.peers.dar.network import Dar, build, following
from mmvad.models.peers.dar.settings import DarSettings
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    small_setting,
)
from tests.small import batch

DROPOUT = {
    f"{part}.layers.{i}.{place}": 0.1
    for part in ("whole", "past")
    for i in range(2)
    for place in ("self_attn", "dropout", "dropout1", "dropout2")
}

LENGTHS = [1, 4, 17, 20]


def made() -> Dar:
    torch.manual_seed(0)
    return build(small_setting(), DarSettings(width=16, layers=1)).eval()


def test_what_comes_later_is_not_seen() -> None:
    model, data = made(), batch([12])
    changed = data._replace(visual=data.visual.clone())
    changed.visual[0, 6] += 1
    one, other = model(data), model(changed)
    assert ((one.online - other.online).abs()[0] > 1e-6).tolist() == [t >= 6 for t in range(12)]
    assert ((one.proposals - other.proposals).abs()[0] > 1e-6).tolist() == [2 <= t <= 10 for t in range(12)]


def test_losses_by_hand() -> None:
    model, data = made(), batch(LENGTHS)
    found, bags, online, foresee = model(data), [], [], []
    for b, n in enumerate(LENGTHS):
        p = found.proposals[b, :n].sigmoid()
        bags.append(p.topk(n // 16 + 1).values.mean())
        stretched = (p - p.min()) / (p.max() - p.min()) if n > 1 else p
        label = stretched.detach() if data.abnormal[b] else torch.zeros(n)
        online.append(F.binary_cross_entropy(found.online[b, :n].sigmoid(), label, reduction="none"))
        for t in range(n - 1):
            coming = found.rows[b, t + 1 : min(t + 5, n)].detach().mean(dim=0)
            foresee.append((found.foreseen[b, t] - coming).square().mean())
    wanted = {"bag": F.binary_cross_entropy(torch.stack(bags), data.abnormal.float())}
    wanted |= {"online": torch.cat(online).mean(), "foresee": torch.stack(foresee).mean()}
    wanted["total"] = wanted["bag"] + wanted["online"] + 0.1 * wanted["foresee"]
    for name, loss in model.losses(found, data).items():
        torch.testing.assert_close(loss, wanted[name], rtol=1e-5, atol=1e-5, msg=name)


def test_nothing_follows_the_last_segment() -> None:
    data = batch([3, 5])
    _, there = following(data.visual, data.mask, 2)
    assert there.tolist() == [[True, True, False, False, False], [True] * 4 + [False]]


def test_what_holds_for_every_peer() -> None:
    assert_padding_changes_nothing(made(), LENGTHS, 7)
    assert_strange_bags_are_finite(made().train())
    assert_trains(made(), batch([12, 16, 9, 20]))
