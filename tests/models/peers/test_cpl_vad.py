"""CPL-VAD: a block and its pyramid against loops, its texts, its pseudo labels; stages, padding, parameters."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from mmvad.models.model import trainable_parameters
from mmvad.models.peers.cpl_vad.network import CplVad, CplVadOutput, LevelTexts, build, cross_loss
from mmvad.models.peers.cpl_vad.pyramid import Block, Read, sinusoids
from mmvad.models.peers.cpl_vad.refinement import THRESHOLDS, faded, refined
from mmvad.models.peers.cpl_vad.settings import CplVadSettings
from tests.models.peers.properties import (
    ALONE,
    STRANGE,
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    close,
    finite_step,
    small_setting,
)
from tests.plain import network as plain
from tests.plain.peers.ur_dmu import gelu
from tests.small import PROMPTS, WIDTH, batch, stirred

DROPOUT = {
    f"{network}.pyramid.blocks.{i}.{branch}.drop": 0.1
    for network in ("first", "second")
    for i in range(7)
    for branch in ("branch", "branch_ffn")
}
ONE_GRAPH = False  # two networks, of which one learns


def made(*, second: bool = True, **changes: object) -> CplVad:
    torch.manual_seed(0)
    options = {"prompt_half": 3, "drop_path": 0.0, "gap": 2, "shortest": 1, "agreement": 9.0}
    model = build(small_setting(), CplVadSettings(**options | changes))
    model.second_learns = second
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(".gain"):
                parameter.normal_(std=0.5)
    return stirred(model)


def plain_read(module: Read, x: Tensor, stride: int) -> Tensor:
    rows = []
    for t in range(0, len(x), stride):
        taps = [module.conv.weight[:, 0, k] * x[t + k - 1] for k in range(3) if 0 <= t + k - 1 < len(x)]
        rows.append(torch.stack(taps).sum(dim=0))
    return plain.linear(module.linear, plain.layer_norm(module.norm, torch.stack(rows)))


@pytest.mark.parametrize(("stride", "reach"), [(1, 4), (2, 4), (2, None)])
@torch.no_grad()
def test_a_block_against_loops(stride: int, reach: int | None) -> None:
    torch.manual_seed(0)
    block, n = Block(WIDTH, stride, reach, 0.0), 21
    x = torch.randn(1, 26, WIDTH)
    mask = torch.arange(26)[None] < n
    for gain in (block.branch.gain, block.branch_ffn.gain):
        gain.normal_()
    found, later = block(x, mask)
    seen = plain.layer_norm(block.norm, x[0, :n])
    q, k, v = (plain_read(part, seen, stride) for part in (block.query, block.key, block.value))
    assert int(later.sum()) == len(q) == math.ceil(n / stride)
    rows = []
    for i in range(len(q)):
        near = [j for j in range(len(q)) if reach is None or abs(i - j) <= reach]
        heads = [slice(h, h + 2) for h in range(0, WIDTH, 2)]
        row = [(k[near, h] @ q[i, h] / math.sqrt(2)).softmax(dim=0) @ v[near, h] for h in heads]
        skip = x[0, i] if stride == 1 else x[0, max(0, 2 * i - 1) : min(n, 2 * i + 2)].amax(dim=0)
        rows.append(skip + block.branch.gain * plain.linear(block.output, torch.cat(row)))
    h = torch.stack(rows)
    hidden = gelu(plain.linear(block.ffn[0], plain.layer_norm(block.norm_ffn, h)))
    h = h + block.branch_ffn.gain * plain.linear(block.ffn[2], hidden)
    torch.testing.assert_close(found[0, : len(h)], h, **close)


def plain_texts(module: LevelTexts, level: int, behind: int) -> Tensor:
    """Each sentence by the tower's own forward: [C, d]."""
    rows = []
    for c, prompt in enumerate(PROMPTS):
        tokens = plain.tokenizer()([f"A video of the {prompt}"])[0].tolist()
        first = tokens.index(plain.EOS)
        sentence = tokens[:first] + [343] * (behind + 2) + [plain.EOS]
        embedded = module.encoder.embed_tokens(torch.tensor([sentence + [0] * (77 - len(sentence))]))[0].clone()
        embedded[first : first + behind] = module.rows[first : first + behind]
        embedded[first + behind] = module.marked[level]
        embedded[first + behind + 1] = module.marked[6 if c == 0 else 7]
        rows.append(module.encoder(embedded[None], torch.tensor([first + behind + 2]))[0])
    return torch.stack(rows)


@torch.no_grad()
def test_levels_and_scores() -> None:
    """What a level says stands 2^l times; a score is the mean over levels."""
    model, data = made().eval(), batch([40, 7], audio=False)
    said, net = model(data).said, model.second
    levels = net.pyramid(F.pad(data.visual, (0, 0, 0, 24)), F.pad(data.mask, (0, 24)))
    assert [v.shape[1] for v, _ in levels] == [64, 32, 16, 8, 4, 2]
    for level, (v, mask) in enumerate(levels):
        text = plain_texts(net.texts, level, 2)
        torch.testing.assert_close(said.text[level], text, **close)
        text = text + plain.ffn(net.ffns[level][1], plain.ffn(net.ffns[level][0], text))
        for b, n in enumerate((40, 7)):
            rows = v[b, : int(mask[b].sum())]
            hidden = rows
            for conv, norm in zip(net.hidden, net.norms):
                taps = conv.weight.unbind(-1)
                bare = torch.nn.Conv1d(1, 1, 3)
                bare.weight, bare.bias = (
                    torch.nn.Parameter(torch.stack(taps, -1)),
                    torch.nn.Parameter(torch.zeros(WIDTH)),
                )
                hidden = F.relu(plain.layer_norm(norm, plain.convolution(bare, hidden)))
            z = plain.convolution(net.classify, hidden)[:, 0]
            m = plain.unit(rows) @ plain.unit(text).T / 0.07
            torch.testing.assert_close(said.logits[b, :n, level], z.repeat_interleave(2**level)[:n], **close)
            torch.testing.assert_close(
                said.alignment[b, :n, level], m.repeat_interleave(2**level, 0)[:n], rtol=1e-4, atol=1e-4
            )
    scores = model.scores(model(data))
    assert scores.coarse is not None
    torch.testing.assert_close(scores.coarse[0], said.logits[0].sigmoid().mean(dim=-1))
    table = sinusoids(3, 4, torch.device("cpu"))
    assert table[2].tolist() == pytest.approx([math.sin(2), math.cos(2), math.sin(0.02), math.cos(0.02)], rel=1e-5)


def plain_labels(levels: list[list[float]], gap: int, shortest: int, agreement: float, flat: float) -> list[float]:
    n, evidence = len(levels[0]), [0.0] * len(levels[0])
    for scores in levels:
        for threshold in THRESHOLDS:
            high = [t for t in range(n) if scores[t] >= threshold]
            cuts = [i + 1 for i, (t, u) in enumerate(pairwise(high)) if u - t > max(gap, 1)]
            for a, b in pairwise([0, *cuts, len(high)]):
                part = high[a:b]
                if part and part[-1] - part[0] > shortest:
                    for t in range(part[0], part[-1]):
                        evidence[t] += sum(scores[u] for u in part) / len(part)
    labels, t = [0.0] * n, 0
    while t < n:
        end = t
        while end < n and evidence[end] >= agreement:
            end += 1
        size = end - t
        fading = (size - int(size * flat)) // 2
        for i in range(size):
            inward = min(i, size - 1 - i)
            labels[t + i] = math.exp(-0.5 * (3 * (inward - fading + 1) / fading) ** 2) if inward < fading else 1.0
        t = max(end, t + 1)
    return labels


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 999),
    st.integers(1, 40),
    st.integers(1, 5),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.5, 0.55, 0.95]),
)
def test_pseudo_labels_run_by_run(seed: int, n: int, gap: int, shortest: int, flat: float) -> None:
    draw = torch.Generator().manual_seed(seed)
    base = torch.rand(n // 4 + 1, generator=draw).repeat_interleave(4)[:n]
    scores = (base[:, None] + 0.4 * torch.rand(n, 3, generator=draw) - 0.1).clamp(0, 1)
    wanted = plain_labels(scores.T.tolist(), gap, shortest, 7.0, flat)
    padded = F.pad(scores, (0, 0, 0, 9), value=0.99)[None]
    found = refined(padded, torch.arange(n + 9)[None] < n, gap, shortest, 7.0, flat)
    assert found[0].tolist() == pytest.approx(wanted + [0.0] * 9, abs=1e-5)


def test_a_stretch_fades_at_both_ends() -> None:
    labelled = torch.zeros(12, dtype=torch.bool)
    labelled[1:11] = True
    side = [math.exp(-4.5 * (i - 2) ** 2 / 9) for i in range(3)]
    assert faded(labelled, 0.4).tolist() == pytest.approx([0, *side, 1, 1, 1, 1, *side[::-1], 0])


def test_each_branch_learns_the_other_ones_labels() -> None:
    model, data = made().train(), batch([24, 9, 16], audio=False)
    found = model(data)
    assert found.by_scores is not None
    assert not found.by_scores[~data.abnormal].any()
    by_scores, by_classes = (torch.rand(3, 24) * data.mask for _ in range(2))
    p, q = found.said.logits.sigmoid(), 1 - found.said.alignment.softmax(dim=-1)[..., 0]
    terms: list[list[Tensor]] = [[], []]
    for b, n in enumerate((24, 9, 16)):
        for t in range(n):
            for level in range(6):
                for which, (own, y) in enumerate(((p, by_classes), (q, by_scores))):
                    x, label = own[b, t, level], y[b, t]
                    terms[which].append(-(label * torch.log(x) + (1 - label) * torch.log(1 - x)))
    wanted = sum(torch.stack(part).mean() for part in terms)
    torch.testing.assert_close(cross_loss(CplVadOutput(found.said, by_scores, by_classes), data.mask), wanted)


def test_one_network_learns_after_the_other() -> None:
    model, data, seen = made().train(), batch([12, 20], audio=False), []
    for epoch in range(4):
        model.start_epoch(epoch, 4)
        finite_step(model.train(), data)
        seen.append([any(p.grad is not None for p in net.parameters()) for net in (model.first, model.second)])
    assert seen == [[True, False]] * 2 + [[False, True]] * 2


def test_what_holds_for_every_peer() -> None:
    assert_padding_changes_nothing(made().eval(), [5, 33], 40, rtol=1e-4, atol=1e-4)
    assert_strange_bags_are_finite(made(), strange=(STRANGE[0], STRANGE[3], *ALONE))
    assert_trains(made(second=False), batch([9, 12, 20, 30], audio=False), steps=4)


def parameters_of(width: int, text_width: int) -> int:
    """Convolutions, blocks, norms, the scorer, feed-forward parts and prompt rows of one network."""
    norm, linear, ffn, conv = 2 * width, width * (width + 1), 8 * width**2 + 5 * width, 3 * width**2
    block = 3 * (3 * width + norm + linear) + 2 * norm + linear + ffn + 2 * width
    return 4 * (conv + norm) + 7 * block + 6 * norm + 3 * width + 1 + 12 * ffn + 77 * text_width


def test_parameters() -> None:
    """As many as both public constructors make."""
    model = made()
    count = parameters_of(WIDTH, 64)
    assert trainable_parameters(model.first) == count
    assert trainable_parameters(model.second) == count + 8 * 64
    assert 2 * parameters_of(512, 512) + 8 * 512 == 101_046_274
