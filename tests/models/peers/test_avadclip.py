"""AVadCLIP: teacher and student against their equations, the two stages of training, the sizes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.benchmarks.registry import benchmark
from mmvad.config.load import load_config
from mmvad.models.model import trainable_parameters
from mmvad.models.peers.avadclip.network import AVadCLIP, Fused, build
from mmvad.models.peers.avadclip.settings import AvadClipSettings
from mmvad.models.setting import Setting
from mmvad.training.retest import retest
from mmvad.training.train import train
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    close,
    small_setting,
)
from tests.plain.peers import avadclip as plain
from tests.plain.peers import vadclip
from tests.small import PROMPTS, batch, full_encoder, gradients, write_bank

DROPOUT = {f"teacher.audio.blocks.{i}.dropout": 0.1 for i in range(3)}


def avadclip(network: str = "teacher", **changes: object) -> AVadCLIP:
    torch.manual_seed(0)
    options = {"network": network, "prompt_half": 2, "student_window": 3, "lambda_embed": 0.1, "lambda_distil": 0.5}
    return build(small_setting(), AvadClipSettings(**(options | changes)))


def second_stage(made: AVadCLIP) -> AVadCLIP:
    made.start_epoch(1, 2)
    return made


def assert_branches(
    made: AVadCLIP, out: Fused, features: torch.Tensor, network: str, b: int, weighting: str = "logit"
) -> torch.Tensor:
    """Video b of the output against the plain branches on its features; gives the texts."""
    n, branches = len(features), getattr(made, network).branches
    text = vadclip.class_texts(branches.texts, PROMPTS, 2)
    logits, alignment = vadclip.branches(branches, features, text, weighting)
    torch.testing.assert_close(out.features[b, :n], features, **close)
    torch.testing.assert_close(made.scores(out).coarse[b, :n], torch.sigmoid(logits), **close)
    torch.testing.assert_close(made.scores(out).classes[b, :n], alignment.softmax(dim=-1), **close)
    return text


@pytest.mark.parametrize("weighting", ["logit", "score"])
def test_teacher(weighting: str) -> None:
    lengths, has_audio = [1, 5, 12], [True, True, False]
    made, videos = avadclip(weighting=weighting).eval(), batch(lengths, has_audio=has_audio)
    out = made(videos)
    for b, n in enumerate(lengths):
        features = vadclip.visual_encoder(made.teacher.visual, videos.visual[b, :n], 4)
        if has_audio[b]:
            features = plain.fuse(made.teacher.audio, features, videos.audio[b, :n])
        text = assert_branches(made, out, features, "teacher", b, weighting)
    found = made.losses(out, videos)
    wanted = plain.total(out.logits, out.alignment, text, lengths, videos.labels, 0.1)
    torch.testing.assert_close(found["total"], wanted, **close)
    assert "distil" not in found


def test_student_and_its_distillation() -> None:
    lengths = [1, 5, 12]
    made, videos = second_stage(avadclip("student")).train(), batch(lengths)
    out = made(videos)
    means, targets, thetas = [], [], []
    for b, n in enumerate(lengths):
        picture, sound = videos.visual[b, :n], videos.audio[b, :n]
        visual = vadclip.visual_encoder(made.student.visual, picture, 3)
        mean, theta = plain.mean_and_variance(made.student, visual)
        text = assert_branches(made, out, mean, "student", b)
        means.append(mean)
        thetas.append(theta)
        teacher = vadclip.visual_encoder(made.teacher.visual, picture, 4)
        targets.append(plain.fuse(made.teacher.audio, teacher, sound))
    found = made.losses(out, videos)
    distil = plain.distillation(means, targets, thetas)
    torch.testing.assert_close(found["distil"], distil, **close)
    wanted = plain.total(out.logits, out.alignment, text, lengths, videos.labels, 0.1) + 0.5 * distil
    torch.testing.assert_close(found["total"], wanted, **close)


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.integers(1, 24), min_size=1, max_size=4), st.integers(1, 24), st.sampled_from(["teacher", "student"])
)
def test_padding(lengths: list[int], more: int, network: str) -> None:
    made = avadclip(network).eval() if network == "teacher" else second_stage(avadclip(network))  # without dropout
    assert_padding_changes_nothing(made, lengths, more)


def test_each_stage_trains_its_own_network() -> None:
    videos = batch([1, 6, 18, 20])
    assert_strange_bags_are_finite(avadclip())
    assert_strange_bags_are_finite(second_stage(avadclip("student")))
    assert_trains(avadclip().eval(), videos)
    made = avadclip("student")
    for epoch, trained, rests in ((0, "teacher", "student"), (1, "student", "teacher")):
        made.zero_grad()
        made.start_epoch(epoch, 2)
        made.losses(made(videos), videos)["total"].backward()
        moved = {name.split(".")[0] for name, grad in gradients(made).items() if grad.any()}
        assert trained in moved
        assert rests not in moved
        assert made.teacher.training is (epoch == 0)
    with torch.no_grad():
        made.teacher.audio.gate.bias += 1
    assert_trains(second_stage(avadclip("student")), videos)


def test_the_student_hears_nothing() -> None:
    videos = batch([4, 9])
    made = second_stage(avadclip("student")).eval()
    deaf = videos._replace(audio=100 * videos.audio)
    assert torch.equal(made(videos).logits, made(deaf).logits)
    teacher = avadclip().eval()
    assert not torch.equal(teacher(videos).logits, teacher(deaf).logits)


def test_learned_focus_changes_nothing_before_training() -> None:
    videos = batch([4, 9, 3])
    fixed, learned = avadclip().eval(), avadclip(learned_focus=True).eval()
    losses = [made.losses(made(videos), videos)["focal"] for made in (fixed, learned)]
    torch.testing.assert_close(*losses)
    losses[1].backward()
    assert learned.teacher.focal.alpha.grad.any()


def test_a_run_of_both_stages(tmp_path: Path) -> None:
    """The rate falls in each stage and starts anew; the distillation shows in the second; a retest agrees."""
    bank = write_bank(tmp_path / "bank", test=4)
    keys = ["model.name=avadclip", "peers.avadclip.network=student", "optim.epochs=4", "optim.milestones=[0.5]"]
    text = ["model.text.architecture=tiny", "model.text.weights=random", "data.segment_length=16", "data.batch_size=6"]
    paths = [f"data.bank={bank}", f"runtime.results={tmp_path}", "runtime.figures=off"]
    folder = train(load_config([], [*keys, *text, *paths, "optim.learning_rate=1e-3"]))
    rows = pd.read_csv(folder.epochs)
    assert list(rows["learning_rate"]) == pytest.approx([1e-3, 1e-4, 1e-3, 1e-4])
    assert list(rows["loss/distil"].isna()) == [True, True, False, False]
    assert not retest(folder.path, [], None).differing


def full(network: str) -> AVadCLIP:
    encoder = full_encoder()
    prompts = tuple(c.prompt for c in benchmark("xd_violence").classes)
    return build(Setting(512, 512, 256, prompts, encoder), AvadClipSettings(network=network, learned_focus=True))


def test_number_of_trainable_parameters() -> None:
    """The public code's 17,106,441 and 13,163,017 each count one number that it never uses, a graph's sigma."""
    made = full("student")
    assert trainable_parameters(made.teacher) == 17_106_441 - 1
    assert trainable_parameters(made.student) == 13_163_017 - 1
    assert trainable_parameters(made.teacher.audio) == 3_151_872 + 1_312_256
