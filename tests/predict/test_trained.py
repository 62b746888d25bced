"""A run folder alone gives the scores that the run's own test gave."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmvad.bank.bank import Bank, open_bank
from mmvad.errors import UserError
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.predict.scorer import SILENT
from mmvad.predict.sources import Source
from mmvad.predict.trained import load_run
from mmvad.runs import RunFolder
from tests.predict.trained import small_run


def source(bank: Bank, name: str, **changes: object) -> Source:
    video = next(v for v in bank.test.videos if v.name == name)
    crops = {crop: np.array(bank.test.visual_rows(video, crop)) for crop in video.crops}
    edges = np.arange(video.snippets + 1) * 16 / 24
    fields: dict[str, object] = {"crops": crops, "audio": bank.test.audio_rows(video), "edges": edges, "media": None}
    return Source(name, **(fields | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def bank(trained: RunFolder) -> Bank:
    return open_bank(trained.path.parents[1] / "bank")


@pytest.fixture(scope="module")
def alone(trained: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder elsewhere, its bank nowhere."""
    path = tmp_path_factory.mktemp("alone") / trained.path.name
    shutil.copytree(trained.path, path)
    for file in ("config.yaml", "manifest.json"):
        text = (path / file).read_text()
        assert str(trained.path.parents[1] / "bank") in text
        (path / file).write_text(text.replace(str(trained.path.parents[1] / "bank"), "/nowhere/bank"))
    return path


def test_scores_equal_the_runs_own_test(alone: Path, bank: Bank, tested: dict[str, ScoredVideo]) -> None:
    run = load_run(alone)
    assert max(len(v.coarse) for v in tested.values() if v.coarse is not None) > 32  # several chunks
    for name, wanted in tested.items():
        found = run.score(source(bank, name))
        np.testing.assert_allclose(found.coarse, wanted.coarse, atol=1e-6)
        np.testing.assert_allclose(found.class_probabilities, wanted.class_probabilities, atol=1e-6)


def test_a_silent_video_closes_the_gate_and_says_so(alone: Path, bank: Bank, tested: dict[str, ScoredVideo]) -> None:
    run, silent = load_run(alone), source(bank, "test03")
    assert silent.audio is None
    assert run.note(silent) == (SILENT,)
    assert run.note(source(bank, "test02")) == ()
    deaf = run.score(source(bank, "test02", audio=None))
    assert not np.allclose(deaf.coarse, tested["test02"].coarse)


def test_overlapping_chunks_change_only_long_videos(alone: Path, bank: Bank, tested: dict[str, ScoredVideo]) -> None:
    run = load_run(alone)
    for name, video in tested.items():
        equal = np.allclose(run.score(source(bank, name), 4).coarse, video.coarse, atol=1e-6)
        assert equal == (video.snippets <= 16)
    with pytest.raises(UserError, match="0 to 15"):
        run.score(source(bank, "test02"), 16)


def test_a_run_of_the_picture_alone_needs_no_sound(trained: RunFolder, bank: Bank) -> None:
    run = load_run(small_run(trained.path.parents[1], "modalities=v", "optim.epochs=1").path)
    has_audio, deaf = (run.score(source(bank, "test02", **c)) for c in ({}, {"audio": None}))
    np.testing.assert_array_equal(has_audio.coarse, deaf.coarse)
    assert has_audio.class_probabilities is None
    assert run.note(source(bank, "test03")) == ()


def test_crops_and_smoothing_are_the_runs_own(trained: RunFolder, bank: Bank) -> None:
    folder = small_run(trained.path.parents[1], "quirks.all_crops=true", "quirks.smoothing=next_7", "optim.epochs=1")
    video = next(v for v in bank.test.videos if v.name == "test02")
    with np.load(folder.scores) as scores:
        found = load_run(folder.path).score(source(bank, "test02"))
        np.testing.assert_allclose(found.coarse, scores["test02/coarse"], atol=1e-6)
    one_crop = source(bank, "test02", crops={0: np.array(bank.test.visual_rows(video, 0))})
    assert not np.allclose(load_run(folder.path).score(one_crop).coarse, found.coarse)


def test_features_of_another_width(alone: Path, bank: Bank) -> None:
    wide = source(bank, "test02", crops={0: np.zeros((5, 512), np.float32)}, audio=None)
    with pytest.raises(UserError, match=r"visual features of width 512(.|\n)*\(--visual-tower\)"):
        load_run(alone).score(wide)
    loud = source(bank, "test02", audio=np.zeros((5, 512), np.float32))
    with pytest.raises(UserError, match=r"audio features of width 512(.|\n)*\(--audio-tower\)"):
        load_run(alone).score(loud)


def test_a_run_is_known_by_its_name_from_inside_its_folder_too(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(alone)
    assert load_run(Path(".")).name == alone.name
    monkeypatch.chdir(alone / "checkpoints")
    assert load_run(Path("last.ckpt")).name == alone.name
    shutil.copy("last.ckpt", tmp_path / "mine.ckpt")
    with pytest.raises(UserError, match=r"mine\.ckpt: is a file that lies in no run folder"):
        load_run(tmp_path / "mine.ckpt")


def test_what_is_no_run(alone: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no run folder"):
        load_run(tmp_path)
    assert load_run(alone / "checkpoints" / "last.ckpt").checkpoint.name == "last.ckpt"
    with pytest.raises(UserError, match="are not the run's"):
        load_run(alone, ["model.fusion=add"])
    broken = tmp_path / "old"
    shutil.copytree(alone, broken)
    manifest = json.loads((broken / "manifest.json").read_text())
    del manifest["bank"]["widths"]
    (broken / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="how wide"):
        load_run(broken)
