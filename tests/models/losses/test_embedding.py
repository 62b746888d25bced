"""The embedding constraint against loops over classes, and of known angles."""

from __future__ import annotations

import pytest
import torch

from mmvad.models.losses.embedding import embed_loss
from tests.models.losses.made import assert_equal, random
from tests.plain import objectives as plain
from tests.small import CLASSES, WIDTH


@pytest.mark.parametrize("form", ["abs", "hinge"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("videos", [1, 3])
def test_embed(form: str, reduction: str, videos: int) -> None:
    text = random(videos, CLASSES, WIDTH).requires_grad_()
    assert_equal(embed_loss(text, form, reduction), plain.embed(text, form, reduction), text)


def test_embed_of_known_angles() -> None:
    """The normal class along x; one class along it, one across, one against: cosines 1, 0, -1."""
    text = torch.tensor([[[2.0, 0], [3, 0], [0, 1], [-5, 0]]])
    found = {(f, r): embed_loss(text, f, r).item() for f in ("abs", "hinge") for r in ("mean", "sum")}
    assert found == pytest.approx(
        {("abs", "mean"): 2 / 3, ("abs", "sum"): 2.0, ("hinge", "mean"): 1 / 3, ("hinge", "sum"): 1.0}
    )
