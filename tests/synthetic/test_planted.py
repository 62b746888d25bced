from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.bank import Bank, SplitBank, open_bank, verify_bank
from mmvad.benchmarks.benchmark import Split
from mmvad.benchmarks.registry import PLANTED
from mmvad.benchmarks.timeline import SNIPPET_FRAMES
from mmvad.errors import UserError
from mmvad.metrics.frame import average_precision, rank, snippet_positives
from mmvad.synthetic.planted import RECIPE, draw_events, lookalike, noise, text_directions, video_length, write_planted
from mmvad.synthetic.world import Stretch, World, envelope, unit
from tests.plain.linear_mil import POOLS, linear_scores

SMALL = replace(RECIPE, train_videos=24, test_videos=60)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    path = tmp_path_factory.mktemp("planted") / "bank"
    write_planted(path, 3, recipe=SMALL)
    return open_bank(path)


@pytest.fixture(scope="module")
def world() -> World:
    return World.draw(RECIPE, text_directions(RECIPE.visual_width), np.random.default_rng(5))


def test_seed_alone_decides_the_content(small: Bank, tmp_path: Path) -> None:
    write_planted(tmp_path / "again", 3, recipe=SMALL)
    write_planted(tmp_path / "other", 4, recipe=SMALL)
    assert open_bank(tmp_path / "again").content_hash == small.content_hash == verify_bank(small.path)
    assert open_bank(tmp_path / "other").content_hash != small.content_hash


def test_bank_is_not_replaced_unasked(small: Bank) -> None:
    with pytest.raises(UserError, match="overwrite"):
        write_planted(small.path, 3, recipe=SMALL)


def test_negative_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="-1"):
        write_planted(tmp_path / "bank", -1, recipe=SMALL)


def test_training_videos_have_labels_only(small: Bank) -> None:
    assert len(small.train.videos) == 24
    assert all(not video.events and not video.intervals for video in small.train.videos)
    assert sum(video.labels == (PLANTED.normal,) for video in small.train.videos) == 12


def test_test_labels_are_those_of_the_events(small: Bank) -> None:
    for video in small.test.videos:
        labels = {event.label for event in video.events} or {PLANTED.normal}
        assert list(video.labels) == [key for key in PLANTED.class_keys if key in labels]
        assert bool(video.intervals) == bool(video.events)
    assert max(len(video.labels) for video in small.test.videos) >= 2


def test_intervals_are_the_frames_of_any_event(small: Bank) -> None:
    for video in small.test.videos:
        spans = [(event.start, event.end) for event in video.events]
        by_interval = snippet_positives(video.intervals, video.snippets)
        assert (by_interval == snippet_positives(spans, video.snippets)).all()
        assert all(0 <= start < end <= video.snippets * SNIPPET_FRAMES for start, end in spans)


def test_events_end_off_a_snippet_border(small: Bank) -> None:
    ends = [end for video in small.test.videos for _, end in video.intervals]
    assert any(end % SNIPPET_FRAMES for end in ends)


@pytest.mark.parametrize("split", ["train", "test"])
def test_features_look_real(small: Bank, split: Split) -> None:
    part = small.split(split)
    assert part.visual.shape[1] == RECIPE.visual_width
    assert np.linalg.norm(part.visual, axis=1).mean() == pytest.approx(10, abs=0.2)
    assert part.audio is not None
    assert part.audio.min() >= 0
    assert all(video.audio_start is not None for video in part.videos)
    lengths = [video.snippets for video in part.videos]
    assert RECIPE.shortest <= min(lengths) < 20 < 40 < max(lengths) <= RECIPE.longest


def test_lengths_are_log_normal_whatever_the_class() -> None:
    lengths = np.array([video_length(RECIPE, turn) for turn in range(RECIPE.test_videos // 2)])
    inside = lengths[(lengths > RECIPE.shortest) & (lengths < RECIPE.longest)]
    assert np.median(lengths) == pytest.approx(RECIPE.median_snippets, abs=1)
    assert len(inside) > 0.85 * len(lengths)
    assert len(set(inside)) > 40
    by_class = [lengths[c::6].mean() for c in range(6)]
    assert max(by_class) / min(by_class) < 1.15


def test_every_class_is_seen_heard_and_both() -> None:
    found: Counter[tuple[str, bool, bool]] = Counter()
    for turn in range(300):
        for event, stretch in zip(*draw_events(RECIPE, 30, turn, np.random.default_rng(turn)), strict=True):
            found[event.label, stretch.moves, stretch.low > 0] += 1
    kinds = [(True, True), (True, False), (False, True)]
    assert set(found) == {(key, *kind) for key in PLANTED.class_keys[1:] for kind in kinds}
    heard_only = sum(n for (_, seen, _), n in found.items() if not seen) / found.total()
    assert heard_only == pytest.approx(RECIPE.heard_only, abs=0.05)


def test_abnormal_videos_have_up_to_three_classes() -> None:
    counts = {len({e.label for e in draw_events(RECIPE, 30, t, np.random.default_rng(t))[0]}) for t in range(200)}
    assert counts == {1, 2, 3}


def test_forms_share_their_part_with_the_text(world: World) -> None:
    text = text_directions(RECIPE.visual_width)
    assert np.allclose(np.linalg.norm(text, axis=1), 1)
    worlds = [World.draw(RECIPE, text, np.random.default_rng(seed)) for seed in range(30)]
    cosine = np.mean([(w.forms[: len(text)] * text).sum(axis=1) for w in worlds])
    unrelated = np.mean([(w.forms[len(text) :] * text).sum(axis=1) for w in worlds])
    assert cosine == pytest.approx(RECIPE.text_share, abs=0.1)
    assert unrelated == pytest.approx(0, abs=0.1)


def test_lookalike_rests_and_noise_has_the_sum_of_a_chord(world: World) -> None:
    still = lookalike(2, 0, 160, np.random.default_rng(0))
    assert (still.form, still.moves) == (2, False)
    tones = [noise(2, 0, 160, np.random.default_rng(seed)) for seed in range(20)]
    assert {(t.low, t.high) for t in tones} == {(2.0, 0.0), (0.0, 2.0)}


def test_motion_has_no_mean(world: World) -> None:
    event = Stretch(0, 160, form=0, moves=True)
    rng = np.random.default_rng(1)
    along = np.array([(world._picture(10, event, rng) @ world.motion).mean() for _ in range(400)])
    assert abs(along).mean() > 10 * abs(along.mean())


def test_envelope_is_the_share_of_frames_inside() -> None:
    assert envelope(4, Stretch(8, 48)).tolist() == [0.5, 1, 1, 0]


def rows(split: SplitBank) -> list[np.ndarray]:
    """Picture beside sound, for every video."""
    pairs = [(split.visual_rows(video, 0), split.audio_rows(video)) for video in split.videos]
    return [np.concatenate([visual, audio], axis=1) for visual, audio in pairs if audio is not None]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_linear_scorer_is_better_than_chance_and_not_good_enough(tmp_path: Path, seed: int) -> None:
    write_planted(tmp_path / "bank", seed)
    bank = open_bank(tmp_path / "bank")
    abnormal = [video.labels != (PLANTED.normal,) for video in bank.train.videos]
    positives = np.concatenate([snippet_positives(v.intervals, v.snippets) for v in bank.test.videos])
    found = []
    for pool in POOLS:
        scores = linear_scores(rows(bank.train), abnormal, rows(bank.test), pool)
        found.append(average_precision(rank(scores, positives).curve()).value or 0.0)
    chance = positives.sum() / (SNIPPET_FRAMES * len(positives))
    assert 2 * chance < max(found) < 0.70


def test_linear_scorer_finds_what_is_linear() -> None:
    rng = np.random.default_rng(0)
    truth = [np.arange(30) < (6 if i % 2 else 0) for i in range(40)]
    videos = [rng.normal(size=(30, 4)) + 4 * t[:, None] * unit(np.ones(4)) for t in truth]
    scores = linear_scores(videos[:20], [t.any() for t in truth[:20]], videos[20:], "top")
    ranking = rank(scores, np.concatenate(truth[20:]).astype(int), weight=1)
    assert (average_precision(ranking.curve()).value or 0) > 0.8
