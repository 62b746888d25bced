"""VGGish's weights from files, good and bad; its post-processing against torchvggish's own; and no download."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvggish import torchvggish

from mmvad.errors import UserError
from mmvad.extraction.extractor import Extractor
from mmvad.extraction.settings import ExtractionSettings
from mmvad.extraction.towers import rows_of
from mmvad.extraction.vggish import AudioEncoder, build_audio_encoder, postprocess

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def random() -> AudioEncoder:
    return build_audio_encoder("random", None, CPU)


@pytest.fixture
def pca() -> dict[str, Any]:
    draw = np.random.default_rng(0)
    return {"pca_eigen_vectors": draw.normal(size=(128, 128)), "pca_means": draw.normal(size=128)}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))


def refusal(weights: Path | str, pca: str | None = None) -> str:
    with pytest.raises(UserError) as caught:
        build_audio_encoder(str(weights), pca, CPU)
    return str(caught.value)


def hashed(path: Path) -> Path:
    """The file under a name that says its hash, as torch's own downloads have it."""
    named = path.with_name(f"{path.stem}-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth")
    return path.rename(named)


@pytest.mark.slow
def test_weights_from_a_file_by_name_and_damaged(
    tmp_path: Path, random: AudioEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = {name: tensor + 0.001 for name, tensor in random.network.state_dict().items()}
    torch.save(state, tmp_path / "vggish.pth")
    path = hashed(tmp_path / "vggish.pth")
    encoder = build_audio_encoder(str(path), None, CPU)
    assert all(torch.equal(tensor, state[name]) for name, tensor in encoder.network.state_dict().items())
    assert encoder.weights_sha256 != random.weights_sha256
    cache = tmp_path / "hub" / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    os.link(path, cache / "vggish-10086976.pth")
    assert "SHA-256 begins with" in refusal("published"), "the cache's file is not the published one"
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size // 2)
    text = refusal(path)
    assert "it is damaged, or another file" in text
    assert "vggish-10086976.pth from https://github.com/harritaylor/torchvggish/releases/download/v0.1/" in text
    plain = path.rename(tmp_path / "vggish.pth")
    assert "cannot be read as weights" in refusal(plain)


def test_missing_weights_say_where_they_come_from(tmp_path: Path) -> None:
    for text in (refusal(tmp_path / "none.pth"), refusal("published")):
        assert "vggish-10086976.pth" in text
        assert "https://github.com/harritaylor/torchvggish/releases/download/v0.1/" in text
    assert str(tmp_path / "hub" / "hub" / "checkpoints" / "vggish-10086976.pth") in refusal("published")
    assert "vggish_pca_params-970ea276.pth" in refusal("random", "published")


def test_other_weights_do_not_fit(tmp_path: Path) -> None:
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "other.pth")
    assert "do not fit VGGish; 'features.0.weight' has shape (3,)" in refusal(tmp_path / "other.pth")
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    assert "do not fit VGGish" in refusal(tmp_path / "tensor.pth")


class Harmful:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("legacy", [True, False])
def test_a_pickle_with_code_is_not_run(tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "evil.pth"
    torch.save({"pca_means": Harmful(tmp_path / "ran")}, path, _use_new_zipfile_serialization=not legacy)
    assert "cannot be read as weights" in refusal(path)
    assert "cannot be read as weights" in refusal("random", str(path))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("numpys_name", ["core", "_core"])
@pytest.mark.parametrize("tensors", [True, False])
def test_post_processing_equals_torchvggishs(
    tmp_path: Path, pca: dict[str, Any], numpys_name: str, tensors: bool
) -> None:
    theirs = torchvggish.Postprocessor.__new__(torchvggish.Postprocessor)
    theirs._pca_matrix = torch.as_tensor(pca["pca_eigen_vectors"]).float()
    theirs._pca_means = torch.as_tensor(pca["pca_means"].reshape(-1, 1)).float()
    path = tmp_path / "pca.pth"
    content = {name: torch.as_tensor(array) for name, array in pca.items()} if tensors else pca
    torch.save(content, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"numpy._core.", f"numpy.{numpys_name}.".encode()))
    encoder = build_audio_encoder("random", str(path), CPU)
    assert encoder.pca is not None
    features = torch.from_numpy(np.random.default_rng(1).normal(size=(50, 128)).astype(np.float32)) * 0.1
    torch.testing.assert_close(postprocess(features, encoder.pca), theirs.postprocess(features), atol=1.0, rtol=0)
    share = (postprocess(features, encoder.pca) == theirs.postprocess(features)).float().mean()
    assert share > 0.999, "one step in 255 may differ where the rounding is undecided"
    rows = rows_of(encoder, np.zeros((2, 96, 64), dtype=np.float32), CPU, "float32")
    assert rows.shape == (2, 128)
    assert set(np.unique(rows)) <= set(range(256))


def test_mixed_precision_stays_close(random: AudioEncoder) -> None:
    examples = np.random.default_rng(0).normal(size=(2, 96, 64)).astype(np.float32)
    found, wanted = (rows_of(random, examples, CPU, precision) for precision in ("bfloat16", "float32"))
    assert found.dtype == np.float32
    assert not np.array_equal(found, wanted)
    np.testing.assert_allclose(found, wanted, atol=0.05 * np.abs(wanted).max())


def test_the_tiny_tower_hears_what_vggish_hears_and_says_what_it_is() -> None:
    first, second = (Extractor(ExtractionSettings("tiny", "random", audio_tower="tiny")) for _ in range(2))
    assert first.sound is not None
    loud, quiet = (scale * np.random.default_rng(0).normal(size=15_600).astype(np.float32) for scale in (0.1, 0.001))
    rows = first.sound.encode(np.stack([first.sound.prepare(window) for window in (loud, quiet)]))
    assert rows.shape == (2, 128)
    assert (rows[0] - rows[1]).norm() > 0.1 * rows[0].norm()
    told = first.describe()["audio"]
    assert told == second.describe()["audio"]
    assert (told["tower"], told["weights"], told["window_seconds"]) == ("tiny", "random", 0.96)
