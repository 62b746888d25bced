"""TPWNG: its equations as reconstructed, its frame labels, what trains what, its size."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from mmvad.models.model import Batch, trainable_parameters
from mmvad.models.peers.tpwng.network import TPWNG, build, frame_labels, partners, stretched
from mmvad.models.peers.tpwng.settings import TpwngSettings
from mmvad.models.setting import Setting
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    close,
    small_setting,
)
from tests.plain.peers import tpwng as plain
from tests.small import PROMPTS, batch, full_encoder, gradients, on_padded

LENGTH = 64
FAR = (1, 2, 5)
"""Classes whose text is not too near the normal one's in a random tower."""


def tpwng(**changes: object) -> TPWNG:
    torch.manual_seed(0)
    return build(small_setting(LENGTH), TpwngSettings(**changes))


def test_forward() -> None:
    lengths, beside = [1, 5, 12, 7], [1, 1, 3, 3]  # each video's normal partner
    made, videos = tpwng(), batch(lengths)
    with torch.no_grad():
        made.texts.vectors.normal_()
        for layer in made.scorer:
            layer.attention.span.bias.fill_(-4)  # short spans, so that the soft edge shows
    out = made(videos)
    texts = torch.stack([plain.class_text(made, name) for name in PROMPTS])
    x = [F.normalize(videos.visual[b, :n], dim=-1) for b, n in enumerate(lengths)]
    for b, n in enumerate(lengths):
        torch.testing.assert_close(out.logits[b, :n], plain.logits(made, x[b], LENGTH), **close)
        torch.testing.assert_close(out.similarity[b, :n], x[b] @ texts.T, **close)
        adapted = plain.adapted_text(made, texts[0], x[beside[b]])
        torch.testing.assert_close(out.adapted[b, :n], x[b] @ adapted, **close)
    assert torch.equal(made.eval()(videos).logits, out.logits)


def test_spans_have_a_soft_edge() -> None:
    """Beyond R + z nothing is seen."""
    made = tpwng().scorer[0].attention
    x = torch.randn(1, 400, 16, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(1, 400, dtype=torch.bool)
    with torch.no_grad():
        made.span.weight.zero_()
        made.span.bias.fill_(-2)
    torch.testing.assert_close(on_padded(made, x, mask)[0, -1], plain.attention(made, x[0], 399, LENGTH), **close)
    changed = x.clone()
    changed[0, : 400 - 256 - int(64 / (1 + torch.e**2)) - 2] += 1
    torch.testing.assert_close(on_padded(made, x, mask)[0, -1], on_padded(made, changed, mask)[0, -1])


@pytest.mark.parametrize(
    "changes", [{}, {"alpha": 0.7, "theta": 0.55}, {"scale": 3.0}, {"labels": "contrast", "theta": 0.5}], ids=str
)
def test_losses(changes: dict[str, object]) -> None:
    lengths = [1, 5, 12, 7, 20]
    made = tpwng(**changes)
    videos = batch(lengths, labels=[[3], [0], [2, 4], [0], [6]])
    out = made(videos)
    parts = [[values[b, :n] for b, n in enumerate(lengths)] for values in (out.similarity, out.adapted, out.logits)]
    wanted = plain.losses(*parts, videos.labels, made.settings)
    found = made.losses(out, videos)
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, **close, msg=lambda text, name=name: f"{name}: {text}")
    total = sum(wanted[n] for n in ("normal", "abnormal", "dilation", "frames"))
    torch.testing.assert_close(found["total"], total + 0.1 * wanted["steps"] + 0.01 * wanted["sparsity"], **close)


def test_frame_labels() -> None:
    """Like the class and unlike the normal text is abnormal; theta is a share of the way from lowest to highest."""
    videos = batch([4, 4], labels=[[2], [0]])
    own = torch.tensor([[0.0, 1.0, 0.5, 0.3], [0.0, 1.0, 0.5, 0.3]])
    normal = torch.tensor([[0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    labels = frame_labels(own, normal, videos, TpwngSettings(alpha=0.5, theta=0.6))
    assert labels.tolist() == [[0, 0, 1, 0], [0, 0, 0, 0]]  # psi: 0.5, 0.5, 0.75, 0.65
    labels = frame_labels(own, normal, videos, TpwngSettings(alpha=0.0, theta=0.3))
    assert labels.tolist() == [[0, 1, 1, 1], [0, 0, 0, 0]]


def test_what_all_classes_have_in_common_makes_no_contrast_label() -> None:
    """A direction that every class text has only moves the labels where they are of the similarity alone."""
    videos = batch([12, 12], labels=[[2], [0]])
    common = torch.linspace(0, 3, 12)[None, :, None]
    found = {}
    for labels in ("own", "contrast"):
        made = tpwng(labels=labels, alpha=0.0)
        out = made(videos)
        moved = out._replace(similarity=out.similarity + common)
        found[labels] = [made.losses(o, videos)["frames"].item() for o in (out, moved)]
    assert found["contrast"][0] == pytest.approx(found["contrast"][1])
    assert found["own"][0] != pytest.approx(found["own"][1])


def test_every_part_learns_at_its_rate() -> None:
    made = tpwng(text_rate=3.0, vector_rate=0.01)
    rates = {id(p): group["lr"] for group in made.parameter_groups(0.1) for p in group["params"]}
    named = {name: rates[id(p)] for name, p in made.named_parameters() if p.requires_grad}
    assert len(rates) == len(named)
    assert named["texts.vectors"] == pytest.approx(0.003)
    for name, rate in named.items():
        if name != "texts.vectors":
            assert rate == pytest.approx(0.3 if name.startswith(("texts", "normality")) else 0.1), name


def test_a_video_that_does_not_change_gives_no_gradient() -> None:
    values = torch.full((1, 5), 0.3, requires_grad=True)
    stretched(values, torch.ones(1, 5, dtype=torch.bool)).sum().backward()
    assert not values.grad.any()


def test_partners() -> None:
    find = lambda *abnormal: partners(torch.tensor(abnormal, dtype=torch.bool)).tolist()  # noqa: E731
    assert find(0, 0, 1, 1) == [0, 1, 0, 1]
    assert find(1, 0, 1, 0) == [1, 1, 3, 3]
    assert find(1, 1, 1, 0) == [3, 3, 3, 3]
    assert find(1, 1) == [0, 1]


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=4), st.integers(1, 24))
def test_padding(lengths: list[int], more: int) -> None:
    assert_padding_changes_nothing(tpwng(), lengths, more)


def test_training() -> None:
    assert_strange_bags_are_finite(tpwng())
    assert_trains(tpwng(), batch([1, 6, 18, 20]))


def test_frame_labels_train_the_scorer_and_everything_else_the_text_side() -> None:
    videos, scorer = batch([6, 9, 18, 20]), {"scorer", "norm", "classifier"}
    for name, wanted in (("frames", scorer), ("abnormal", {"texts", "normality"}), ("normal", {"texts"})):
        made = tpwng()
        made.losses(made(videos), videos)[name].backward()
        assert {part.split(".")[0] for part, grad in gradients(made).items() if grad.any()} == wanted
        assert all(p.grad is None for p in made.texts.encoder.parameters())


def test_number_of_trainable_parameters() -> None:
    """The sheet's reading: scorer 12.62 million, FFN of the prompt 1.57, projection 0.26, in all about 14.46."""
    encoder = full_encoder()
    made = build(Setting(512, None, 256, tuple(PROMPTS), encoder), TpwngSettings())
    parts = {name: trainable_parameters(part) for name, part in made.named_children()}
    assert parts["scorer"] + parts["norm"] + parts["classifier"] == 12_619_281
    assert parts["normality"] == 1_574_400
    assert parts["texts"] == 512 * 512 + 8 * 512
    assert trainable_parameters(made) == 14_459_921


def aligned_videos(made: TPWNG, count: int, seed: int) -> tuple[Batch, torch.Tensor]:
    """Videos as CLIP would see them: each segment lies near its text, of the class in one stretch, else the normal one.

    Returns the batch and where the events are, bool [B, L].
    """
    draw = torch.Generator().manual_seed(seed)
    texts = made.texts().detach()
    labels = [[0] if b % 2 else [FAR[b // 2 % len(FAR)]] for b in range(count)]
    videos = batch([30] * count, labels=labels)
    start = torch.randint(0, 20, (count, 1), generator=draw)
    position = torch.arange(30)
    event = (position >= start) & (position < start + 8) & videos.abnormal.unsqueeze(1)
    shown = torch.where(event.unsqueeze(-1), texts[videos.labels.argmax(dim=1)].unsqueeze(1), texts[0])
    noise = 0.05 * torch.randn(shown.shape, generator=draw)
    return videos._replace(visual=10 * (shown + noise)), event


def test_where_frames_lie_near_their_texts_labels_and_scorer_find_the_events() -> None:
    """The method starts from CLIP's alignment of text and picture; where that is given, it must not be lost."""
    made = tpwng()
    seen, event = aligned_videos(made, 16, 1)
    unseen, hidden = aligned_videos(made, 16, 2)
    optimizer = torch.optim.Adam(made.parameter_groups(1e-3), lr=1e-3)
    for _ in range(60):
        optimizer.zero_grad()
        made.losses(made(seen), seen)["total"].backward()
        optimizer.step()
    out = made(seen)
    kind = seen.labels.argmax(dim=1)
    own = torch.stack([out.similarity[b, :, c] for b, c in enumerate(kind)])
    labels = frame_labels(stretched(own, seen.mask), stretched(out.adapted, seen.mask), seen, TpwngSettings())
    assert (labels == event).float().mean() > 0.95  # none at all would be right in 0.87
    scores = made.eval().scores(made(unseen)).coarse
    assert scores[hidden].mean() > scores[~hidden].mean() + 0.3
