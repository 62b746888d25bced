"""PEL4VAD: its equations, its options, its size, and the words that stand for ConceptNet's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmvad.benchmarks.registry import benchmark
from mmvad.config.load import load_config
from mmvad.errors import UserError
from mmvad.models.model import trainable_parameters
from mmvad.models.peers.pel4vad.concepts import OURS, words_of
from mmvad.models.peers.pel4vad.network import PEL4VAD, build, class_texts
from mmvad.models.peers.pel4vad.settings import Pel4VadSettings
from mmvad.models.setting import Setting
from tests.models.peers.drawn import made as drawn
from tests.models.peers.properties import (
    assert_padding_changes_nothing,
    assert_strange_bags_are_finite,
    assert_trains,
    close,
    small_setting,
)
from tests.plain.peers import pel4vad as plain
from tests.small import PROMPTS, batch, full_encoder, tiny_encoder

DROPOUT = {"dropout": 0.1}
XAVIER = "uniform"


def pel4vad(**changes: object) -> PEL4VAD:
    torch.manual_seed(0)
    return build(small_setting(), Pel4VadSettings(**changes))


@pytest.mark.parametrize(("norm", "kernel"), [("none", 3), ("features", 9), ("time", 3)])
def test_forward(norm: str, kernel: int) -> None:
    made = pel4vad(norm=norm, kernel=kernel, distance_weight=0.6, distance_bias=0.2).eval()
    with torch.no_grad():
        made.attention.balance.fill_(0.7)
    lengths = [1, 5, 18]
    videos = batch(lengths)
    out = made(videos)
    for b, n in enumerate(lengths):
        logits, features = plain.forward(made, videos.visual[b, :n], norm)
        torch.testing.assert_close(out.logits[b, :n], logits, **close)
        torch.testing.assert_close(out.features[b, :n], features, **close)
        torch.testing.assert_close(made.scores(out).coarse[b, :n], torch.sigmoid(logits), **close)


def test_losses() -> None:
    made = pel4vad(temperature=0.3, lambda_concepts=0.5).eval()
    lengths, kinds = [1, 5, 18, 40], [3, 0, 2, 0]
    videos = batch(lengths, labels=[[3, 5], [0], [2], [0]])
    out = made(videos)
    scores = [torch.sigmoid(out.logits[b, :n]) for b, n in enumerate(lengths)]
    coarse = plain.coarse(scores, [k > 0 for k in kinds])
    features = [out.features[b, :n] for b, n in enumerate(lengths)]
    concepts = plain.concepts(features, scores, kinds, made.texts, 0.3)
    found = made.losses(out, videos)
    torch.testing.assert_close(found["coarse"], coarse, **close)
    torch.testing.assert_close(found["concepts"], concepts, **close)
    torch.testing.assert_close(found["total"], coarse + 0.5 * concepts, **close)


def test_class_texts() -> None:
    encoder = tiny_encoder()
    found = class_texts(encoder, words_of(["normal", "car accident", "a class of one's own"]))
    rows = [["normal", *OURS["normal"]], ["car accident", *OURS["car accident"]], ["a class of one's own"]]
    for text, words in zip(found, rows):
        torch.testing.assert_close(text, plain.class_text(encoder.tower, words), **close)


@pytest.mark.parametrize("name", ["xd_violence", "ucf_crime", "planted"])
def test_every_class_has_concepts_of_its_own(name: str) -> None:
    prompts = [c.prompt for c in benchmark(name).classes]
    assert set(prompts) <= set(OURS)
    texts = class_texts(tiny_encoder(), words_of(prompts))
    assert len(texts.unique(dim=0)) == len(prompts)


PUBLIC = {
    "normal event": {"normal event": 1.0},
    "abuse": {"abuse": 1.0, "disrespect": 0.3, "vituperation": 0.4, "stinger": 0.1},
    "accident": {"car accident": 1.0, "collision": 0.6, "an injury": 1.0, "lottery": 0.0},
}
"""As the public code writes them: how near a word is to its class, which is the first."""
PUBLIC_WORDS = [["normal event"], ["abuse", "disrespect", "vituperation"], ["car accident", "collision", "an injury"]]


def test_words_of_a_public_file(tmp_path: Path) -> None:
    """Of which those count that are as near as the mean of all but the first."""
    file = tmp_path / "words.json"
    file.write_text(json.dumps(PUBLIC))
    given = Pel4VadSettings(concepts=str(file)).concepts
    file.unlink()
    prompts = ["normal", "abuse", "car accident"]
    assert words_of(prompts, given) == PUBLIC_WORDS
    assert Pel4VadSettings(concepts=given).concepts == given, "what a run keeps is read as it is"
    config = load_config([], [f"peers.pel4vad.concepts={json.dumps(PUBLIC)}", "model.name=pel4vad", "modalities=vt"])
    assert config.peers.pel4vad.concepts == given


def test_words_as_lists_and_in_another_order(tmp_path: Path) -> None:
    file = tmp_path / "words.yaml"
    file.write_text("normal: [ordinary]\nriot: [mob, unrest]\nabuse: [hurting]\n")
    given = Pel4VadSettings(concepts=str(file)).concepts
    assert words_of(["normal", "abuse", "riot"], given) == [["ordinary"], ["hurting"], ["mob", "unrest"]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[mob]", "holds a list"),
        ("{riot: mob}", "riot: 'mob' are no words"),
        ("{riot: []}", "riot: \\[\\] are no words"),
        ("{riot: {mob: near}}", "are no words"),
        ("{riot: [mob", "cannot be read"),
    ],
)
def test_a_file_without_words_is_refused(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "words.yaml"
    file.write_text(content)
    with pytest.raises(UserError, match=said):
        Pel4VadSettings(concepts=str(file))


def test_classes_and_entries_that_are_not_there() -> None:
    given = Pel4VadSettings(concepts='{"normal": ["a"], "fightings": ["b"]}').concepts
    with pytest.raises(UserError, match=r"no words for .fighting.(.|\n)*did you mean: fightings"):
        words_of(["normal", "fighting"], given)
    with pytest.raises(UserError, match="'fightings', which is no class"):
        words_of(["normal"], given)
    with pytest.raises(UserError, match="no such file"):
        Pel4VadSettings(concepts="nowhere.json")


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=4),
    st.integers(1, 24),
    st.sampled_from(["none", "features", "time"]),
)
def test_padding(lengths: list[int], more: int, norm: str) -> None:
    assert_padding_changes_nothing(pel4vad(norm=norm, kernel=9).eval(), lengths, more)


@pytest.mark.parametrize("norm", ["none", "features", "time"])
def test_training(norm: str) -> None:
    assert_strange_bags_are_finite(pel4vad(norm=norm))
    assert_trains(pel4vad(norm=norm).eval(), batch([1, 6, 18, 20]))


def test_a_later_row_changes_no_score_but_through_the_attention() -> None:
    """The scorer is causal: of equal attention, it sees nothing that comes after."""
    made = pel4vad(kernel=9).eval()
    made.attention = torch.nn.Identity()
    made.attention.forward = lambda x, mask: x
    videos = batch([12])
    changed = videos._replace(visual=videos.visual.clone())
    changed.visual[0, 7:] += 1
    before, after = made(videos).logits, made(changed).logits
    assert torch.equal(before[0, :7], after[0, :7])
    assert (before[0, 7:] != after[0, 7:]).all()


def test_number_of_trainable_parameters() -> None:
    encoder = full_encoder()
    for width, kernel, wanted in ((1024, 9, 1_209_149), (1024, 3, 1_207_349), (512, 9, 683_325), (512, 3, 681_525)):
        setting = Setting(width, None, 200, tuple(PROMPTS), encoder)
        assert trainable_parameters(build(setting, Pel4VadSettings(kernel=kernel))) == wanted


def test_what_is_set_by_hand() -> None:
    model = drawn("pel4vad")
    learned = model.attention.distance_weight, model.attention.distance_bias, model.attention.balance
    assert [p.item() for p in learned] == pytest.approx([0.06, 0.02, 0])
    assert model.log_temperature.exp().item() == pytest.approx(0.05)
