"""The whole network: its equations, what may change its scores and what may not, every option, its size."""

from __future__ import annotations

from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from mmvad.bank.bank import Bank, SplitBank
from mmvad.benchmarks.registry import benchmark
from mmvad.config.schema import Config, Data, Model, Text
from mmvad.models.dual_stream import DualStream, Output, branch_scores
from mmvad.models.losses.objective import objective
from mmvad.models.model import Batch, trainable_parameters
from mmvad.training.build import Widths, build_network
from tests.plain import network as plain
from tests.small import AUDIO_WIDTH, PROMPTS, WIDTH, batch, full_encoder, gradients, losses, network

TEMPORAL = ("local_gcn", "local", "global", "gcn", "conv", "none")
FUSION = ("gated", "concat", "cross_attention", "add", "none")
ACP = ("pre_post", "pre", "post", "none")
WEIGHTING = ("score", "logit", "softmax")
close = {"rtol": 1e-5, "atol": 1e-5}


def take(videos: Batch, index: list[int], segments: int | None = None) -> Batch:
    """Some of the videos, in this order, cut or padded to `segments`."""
    segments = segments or videos.mask.shape[1]
    longer = max(segments - videos.mask.shape[1], 0)

    def pick(x: torch.Tensor | None, over_time: bool) -> torch.Tensor | None:
        if x is None:
            return None
        rows = x[index]
        if not over_time:
            return rows
        pad = torch.zeros(len(index), longer, *x.shape[2:], dtype=x.dtype)
        return torch.cat([rows, pad], dim=1)[:, :segments]

    return Batch(
        pick(videos.visual, True),
        pick(videos.audio, True),
        pick(videos.has_audio, False),
        pick(videos.mask, True),
        pick(videos.labels, False),
    )


def with_garbage(videos: Batch, size: float) -> Batch:
    draw = torch.Generator().manual_seed(99)
    padding = ~videos.mask.unsqueeze(-1)
    noisy = lambda x: x + padding * size * torch.randn(x.shape, generator=draw)  # noqa: E731
    return videos._replace(visual=noisy(videos.visual), audio=noisy(videos.audio))


def assert_same_scores(one: Output, other: Output, pairs: list[tuple[int, int]], lengths: list[int]) -> None:
    """Video i of one output against video j of another, over its valid segments."""
    for i, j in pairs:
        n = lengths[i]
        for a, b in zip(branch_scores(one), branch_scores(other)):
            torch.testing.assert_close(a[i, :n], b[j, :n], **close)
        torch.testing.assert_close(one.features[i, :n], other.features[j, :n], **close)


@pytest.mark.parametrize("acp", ACP)
@pytest.mark.parametrize("weighting", WEIGHTING)
def test_equations_1_to_8(acp: str, weighting: str) -> None:
    lengths = [1, 5, 12]
    made, videos = network(acp=acp, weighting=weighting), batch(lengths, has_audio=[True, False, True])
    out = made(videos)
    fine = made.fine
    assert fine is not None
    for b, n in enumerate(lengths):
        visual = videos.visual[b, :n] + made.temporal.positions[:n]
        visual = plain.windowed_attention(made.temporal.layers[0], visual, 4)
        visual = visual + plain.graph_branches(made.temporal.graphs, visual)
        fused = visual
        if videos.has_audio[b]:
            sound = plain.layer_norm(made.fusion.norm, plain.linear(made.fusion.encode, videos.audio[b, :n]))
            both = torch.cat([visual, sound], dim=-1)
            fused = visual + torch.sigmoid(plain.linear(made.fusion.gate, both)) * made.fusion.update(both)
        torch.testing.assert_close(out.features[b, :n], fused, **close)
        logits = plain.linear(made.classifier, plain.ffn(made.ffn, fused) + fused)[:, 0]
        torch.testing.assert_close(branch_scores(out)[0][b, :n], 1 / (1 + torch.exp(-logits)), **close)
        w = plain.weighted_vector(fused, logits, weighting)
        shift = None
        if acp in {"pre", "pre_post"}:
            read = plain.layer_norm(fine.context.norm, w)
            shift = fine.context.scale * fine.context.project(plain.ffn(fine.context.ffn, read) + w)
        rows = [plain.encode_sentence(fine.encoder.tower, name, fine.sentences.vectors, shift) for name in PROMPTS]
        text = torch.stack(rows)
        torch.testing.assert_close(out.text[b if len(out.text) > 1 else 0], text, **close)
        if acp in {"post", "pre_post"}:
            text = plain.unit(text)
            text = text + plain.ffn(fine.visual_prompt.ffn, plain.layer_norm(fine.visual_prompt.norm, w + text))
        wanted = plain.unit(fused) @ plain.unit(text).T / 0.07
        torch.testing.assert_close(out.alignment[b, :n], wanted, rtol=1e-5, atol=1e-4)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.integers(1, 24), min_size=1, max_size=4),
    st.integers(1, 24),
    st.sampled_from(TEMPORAL),
    st.sampled_from(FUSION),
    st.sampled_from(ACP),
    st.sampled_from(WEIGHTING),
)
def test_more_padding_changes_no_score(
    lengths: list[int], more: int, temporal: str, fusion: str, acp: str, weighting: str
) -> None:
    made = network(temporal=(temporal, 1, 1, 5), fusion=fusion, acp=acp, weighting=weighting)
    videos, longer = batch(lengths), batch(lengths, max(lengths) + more)
    assert_same_scores(made(videos), made(longer), [(i, i) for i in range(len(lengths))], lengths)


@settings(max_examples=15, deadline=None)
@given(
    st.permutations(range(4)), st.integers(1, 4), st.sampled_from(FUSION), st.sampled_from(ACP), st.integers(0, 1000)
)
def test_neither_order_nor_company_changes_a_score(
    order: list[int], kept: int, fusion: str, acp: str, seed: int
) -> None:
    lengths = [1, 7, 17, 24]
    made, videos = network(fusion=fusion, acp=acp), batch(lengths, seed=seed, has_audio=[True, True, False, True])
    chosen = order[:kept]
    out, again = made(videos), made(take(videos, chosen))
    assert_same_scores(out, again, [(i, j) for j, i in enumerate(chosen)], lengths)


@pytest.mark.parametrize("temporal", TEMPORAL)
@pytest.mark.parametrize("fusion", FUSION)
@pytest.mark.parametrize("pairing", ["within_kind", "foreground"])
def test_garbage_on_padding_changes_nothing(temporal: str, fusion: str, pairing: str) -> None:
    lengths = [1, 7, 17, 24, 3]
    made = network(temporal=(temporal, 1, 1, 5), fusion=fusion)
    clean = batch(lengths, 30)
    outs, totals, grads = [], [], []
    for videos in (clean, with_garbage(clean, 50.0)):
        made.zero_grad()
        outs.append(made(videos))
        totals.append(objective(outs[-1], videos, losses(contrast_pairing=pairing)))
        totals[-1]["total"].backward()
        grads.append(gradients(made))
    assert_same_scores(outs[0], outs[1], [(i, i) for i in range(5)], lengths)
    for name in totals[0]:
        torch.testing.assert_close(totals[0][name], totals[1][name], **close)
    for name in grads[0]:
        torch.testing.assert_close(grads[0][name], grads[1][name], rtol=1e-4, atol=1e-5)


PAIRS = [
    (temporal, fusion, ACP[(t + f) % 4], WEIGHTING[(t + f + t // 3) % 3])
    for (t, temporal), (f, fusion) in product(enumerate(TEMPORAL), enumerate(FUSION))
]
"""30 of the 360 networks, among which every two options meet."""


def test_every_two_options_meet() -> None:
    for (i, one), (j, other) in combinations(enumerate((TEMPORAL, FUSION, ACP, WEIGHTING)), 2):
        assert {(row[i], row[j]) for row in PAIRS} == set(product(one, other))


@pytest.mark.parametrize(("temporal", "fusion", "acp", "weighting"), PAIRS)
def test_every_option_builds_runs_and_trains(temporal: str, fusion: str, acp: str, weighting: str) -> None:
    videos = batch([1, 6, 18], has_audio=[True, True, False])
    made = network(temporal=(temporal, 2, 2, 4), fusion=fusion, acp=acp, weighting=weighting)
    before = {name: p.clone() for name, p in made.named_parameters()}
    optimizer = torch.optim.Adam([p for p in made.parameters() if p.requires_grad], lr=1e-3)
    objective(made(videos), videos, losses())["total"].backward()
    for name, parameter in made.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
    optimizer.step()
    assert all(p.isfinite().all() for p in made.parameters())
    moved = {name for name, p in made.named_parameters() if not torch.equal(p, before[name])}
    assert {n.split(".")[0] for n in moved} >= {"ffn", "classifier", "fine"}
    assert not any(".tower." in name for name in moved)


@pytest.mark.parametrize("off", ["coarse", "fine", "contrast", "embed"])
def test_each_loss_can_be_left_out(off: str) -> None:
    made, videos = network(), batch([1, 6, 18, 20])
    found = objective(made(videos), videos, losses(**{off: False}))
    assert set(found) == {"coarse", "fine", "contrast", "embed", "total"} - {off}
    found["total"].backward()
    assert all(grad.isfinite().all() for grad in gradients(made).values())


@pytest.mark.parametrize(("text", "audio"), list(product([True, False], repeat=2)))
def test_modalities(text: bool, audio: bool) -> None:
    made = network(text=text, audio_width=AUDIO_WIDTH if audio else None)
    videos = batch([1, 6, 18], audio=audio)
    out = made(videos)
    assert (out.alignment is not None, out.text is not None, made.fusion is not None) == (text, text, audio)
    found = objective(out, videos, losses())
    assert ("fine" in found, "embed" in found) == (text, text)
    found["total"].backward()
    assert all(grad.isfinite().all() for grad in gradients(made).values())


@pytest.mark.parametrize("lengths", [[1], [1, 1], [48], [48, 48], [16, 32]])
def test_shortest_and_longest_videos(lengths: list[int]) -> None:
    made, videos = network(), batch(lengths)
    out = made(videos)
    objective(out, videos, losses())["total"].backward()
    assert all(s.isfinite().all() for s in branch_scores(out))
    assert all(grad.isfinite().all() for grad in gradients(made).values())


def test_the_frozen_tower_gets_no_gradient_and_the_prompts_do() -> None:
    made, videos = network(), batch([4, 9])
    objective(made(videos), videos, losses())["total"].backward()
    fine = made.fine
    assert fine is not None
    assert all(p.grad is None for p in fine.encoder.parameters())
    assert fine.sentences.vectors.grad is not None
    assert (fine.sentences.vectors.grad.abs().sum(dim=1) > 0).all()
    assert fine.context.scale.grad is not None
    assert fine.context.scale.grad != 0


def test_gradient_of_the_fine_loss_reaches_the_coarse_stream_through_the_prompt() -> None:
    """w is made of the coarse scores, so with `pre_post` the fine loss trains the classifier; without ACP it cannot."""
    videos = batch([4, 9])
    only_fine = losses(coarse=False, contrast=False, embed=False)
    for acp, reaches in (("pre_post", True), ("none", False)):
        made = network(acp=acp)
        objective(made(videos), videos, only_fine)["total"].backward()
        assert bool(gradients(made)["classifier.weight"].any()) is reaches


def test_gated_fusion_leaves_a_silent_video_as_it_is() -> None:
    made = network()
    videos = batch([5, 5], has_audio=[False, True])
    deaf = made(videos._replace(audio=None, has_audio=None))
    has_audio = made(videos)
    assert torch.equal(has_audio.features[0], deaf.features[0])
    assert torch.equal(branch_scores(has_audio)[0][0], branch_scores(deaf)[0][0])
    assert not torch.equal(has_audio.features[1], deaf.features[1])


def test_picture_of_another_width_is_aligned_to_the_text() -> None:
    assert isinstance(network().align, nn.Identity)
    made = network(visual_width=24)
    videos = batch([3, 5])
    videos = videos._replace(visual=torch.randn(2, 5, 24))
    assert made(videos).features.shape == (2, 5, WIDTH)


@pytest.mark.parametrize("temporal", TEMPORAL)
@pytest.mark.parametrize("fusion", FUSION)
def test_bfloat16_is_near_float32(temporal: str, fusion: str) -> None:
    lengths = [1, 9, 20, 33]
    made, videos = network(temporal=(temporal, 1, 1, 8), fusion=fusion), batch(lengths)
    wanted = made(videos)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = made(videos)
    total = objective(found, videos, losses())["total"]
    assert total.dtype == torch.float32
    total.backward()
    assert all(grad.isfinite().all() for grad in gradients(made).values())
    apart = [(a - b)[videos.mask].abs() for a, b in zip(branch_scores(found), branch_scores(wanted))]
    assert all(a.isfinite().all() for a in apart)
    assert apart[0].max() < 1e-2
    assert apart[1].mean() < 1e-2
    assert apart[1].max() < 3e-2, "1 / tau magnifies the rounding inside a tower of width 64"


def test_bfloat16_is_near_float32_at_full_size() -> None:
    made = built("xd_violence", "vat", Model()).eval()
    draw = torch.Generator().manual_seed(0)
    mask = torch.arange(40) < torch.tensor([25, 40])[:, None]
    visual = torch.randn(2, 40, 512, generator=draw) * mask.unsqueeze(-1)
    audio = torch.randn(2, 40, 128, generator=draw) * mask.unsqueeze(-1)
    videos = Batch(visual, audio, torch.tensor([True, True]), mask, torch.eye(7)[[0, 2]])
    with torch.no_grad():
        wanted = branch_scores(made(videos))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = made(videos)
    for a, b in zip(branch_scores(out), wanted):
        assert (a - b)[mask].abs().max() < 1e-2
    assert len(out.logits[mask].unique()) == int(mask.sum()), "rounding must not make frames tie"


def bank(audio: bool) -> Bank:
    """A bank that has widths and nothing else."""
    split = SplitBank((), np.zeros((0, 512), np.float32), np.zeros((0, 128), np.float32) if audio else None)
    return Bank(Path("nowhere"), "planted", {}, split, split)


def built(name: str, modalities: str, model: Model) -> DualStream:
    torch.manual_seed(0)
    config = Config(
        benchmark=name,
        modalities=modalities,
        model=model.model_copy(update={"text": Text(weights="random")}),
        data=Data(audio="required" if "a" in modalities else "optional"),
    )
    encoder = full_encoder() if "t" in modalities else None
    return build_network(config, Widths.of(bank("a" in modalities)), benchmark(name), encoder)


def line(inputs: int, outputs: int, bias: bool = True) -> int:
    return inputs * outputs + (outputs if bias else 0)


FFN = line(512, 2048) + line(2048, 512)
ATTENTION_LAYER = 2 * (2 * 512) + line(512, 3 * 512) + line(512, 512) + FFN
GRAPH_BRANCH = line(512, 256, bias=False) + (5 * 512 * 256 + 256) + line(256, 256, bias=False)
GRAPHS = 2 * GRAPH_BRANCH + line(512, 512)
GATED = line(128, 512) + 2 * 512 + line(1024, 512) + line(1024, 512) + line(512, 512)
COARSE = FFN + line(512, 1)
PROMPTED = (2 * 512 + FFN + 1) + (2 * 512 + FFN)
"""Layer norm, FFN and scale of the context prompt; layer norm and FFN of the visual prompt."""


def test_number_of_trainable_parameters_on_xd_violence() -> None:
    made = built("xd_violence", "vat", Model())
    assert trainable_parameters(made.temporal) == 256 * 512 + ATTENTION_LAYER + GRAPHS
    assert trainable_parameters(made.fusion) == GATED
    assert trainable_parameters(made.ffn) + trainable_parameters(made.classifier) == COARSE
    assert trainable_parameters(made.fine) == 20 * 512 + PROMPTED
    assert trainable_parameters(made) == 12_941_826


def test_number_of_trainable_parameters_on_ucf_crime() -> None:
    made = built("ucf_crime", "vt", Model(layers=2, window=8, prompt_half=14))
    assert made.fusion is None
    assert trainable_parameters(made.temporal) == 256 * 512 + 2 * ATTENTION_LAYER + GRAPHS
    assert trainable_parameters(made.fine) == 28 * 512 + PROMPTED
    assert trainable_parameters(made) == 14_718_978


def test_every_option_of_the_tables_has_its_own_size() -> None:
    """Rows of the component tables: each part that is taken away takes its parameters with it."""
    whole = trainable_parameters(built("xd_violence", "vat", Model()))
    assert whole - trainable_parameters(built("xd_violence", "vat", Model(acp="none"))) == PROMPTED
    assert whole - trainable_parameters(built("xd_violence", "vat", Model(fusion="none"))) == GATED
    assert whole - trainable_parameters(built("xd_violence", "vt", Model())) == GATED
    assert whole - trainable_parameters(built("xd_violence", "va", Model())) == 20 * 512 + PROMPTED
