"""CLAP's audio tower: against Transformers' own features of one window; its files; what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mmvad.errors import UserError
from mmvad.extraction import clap
from mmvad.extraction.clap import ClapEncoder, build_clap, is_hub_name
from mmvad.extraction.extractor import Extractor
from mmvad.extraction.settings import ExtractionSettings
from mmvad.predict.extraction import settings_for
from tests.extraction.videos import Track, moving_pictures, noise, write_video
from tests.plain import extraction as plain

pytest.importorskip("transformers", reason="CLAP is read by the package transformers (pip install 'mmvad[clap]')")
CPU = torch.device("cpu")
AUDIO: dict[str, Any] = {
    "spec_size": 32, "num_mel_bins": 16, "window_size": 4, "depths": [1, 1], "num_attention_heads": [1, 2],
    "patch_embeds_hidden_size": 8, "hidden_size": 16, "aff_block_r": 2, "fusion_type": None,
}  # fmt: skip
TEXT = {
    "vocab_size": 40, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8,
    "max_position_embeddings": 16,
}  # fmt: skip
RATE = 8000
PREPROCESSOR = {
    "feature_size": 16, "sampling_rate": RATE, "hop_length": 160, "max_length_s": 1, "fft_window_size": 256,
    "frequency_min": 50, "frequency_max": 4000, "padding": "repeatpad",
}  # fmt: skip
"""A second at 8 kHz: 51 frames of 16 bands."""


def write_clap(folder: Path, *, fused: bool = False, **changes: Any) -> Path:
    """A small CLAP as Transformers saves it, texts and all, with weights that tell sounds apart."""
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel

    audio = {**AUDIO, "enable_fusion": fused, **changes}
    torch.manual_seed(1)
    model = ClapModel(ClapConfig(text_config=TEXT, audio_config=audio, projection_dim=12)).eval()
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if "running" in name:
                buffer.uniform_(0.5, 2)
    model.save_pretrained(folder)
    ClapFeatureExtractor(**PREPROCESSOR, truncation="fusion" if fused else "rand_trunc").save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    return {fused: write_clap(tmp_path_factory.mktemp("clap"), fused=fused) for fused in (False, True)}


@pytest.fixture
def folder(folders: dict[bool, Path], tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(folders[False], tmp_path / "clap"))


def settings(weights: Path | str, **changes: Any) -> ExtractionSettings:
    told = {"visual_tower": "tiny", "visual_weights": "random", "audio_tower": "clap", "audio_weights": str(weights)}
    return ExtractionSettings(**{**told, **changes})


def librarys(folder: Path, window: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """What Transformers itself makes of one window: the projected embedding, and `get_audio_features`."""
    from transformers import ClapAudioModelWithProjection, ClapFeatureExtractor, ClapModel

    features = ClapFeatureExtractor.from_pretrained(folder)
    inputs = features(window, sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        projected = ClapAudioModelWithProjection.from_pretrained(folder).eval()(**inputs).audio_embeds[0]
        return projected, ClapModel.from_pretrained(folder).eval().get_audio_features(**inputs).pooler_output[0]


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("seconds", [None, 0.3])
def test_rows_equal_the_librarys_of_each_window(
    folders: dict[bool, Path], tmp_path: Path, fused: bool, seconds: float | None
) -> None:
    clip = write_video(tmp_path / "clip.mkv", moving_pictures(41, 64, 48), 25, tracks=[Track(noise(1.64, RATE), RATE)])
    extractor = Extractor(settings(folders[fused], audio_seconds=seconds))
    found = extractor.extract(clip)
    size = round((seconds or 1) * RATE)
    sound = np.concatenate([np.zeros(size), plain.waveform(clip)[0].mean(axis=1), np.zeros(size)]).astype(np.float32)
    ends = [size + round(second * RATE) for second in found.starts[1:]]
    assert found.audio is not None
    assert found.audio.shape == (3, 12)
    for row, end in zip(torch.from_numpy(found.audio), ends, strict=True):
        projected, normal = librarys(folders[fused], sound[end - size : end])
        torch.testing.assert_close(row, projected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(row / row.norm(), normal, rtol=1e-5, atol=1e-5)
    assert np.abs(found.audio[0] - found.audio[1]).max() > 1e-3, "windows that differ have rows that differ"
    told = extractor.describe()
    assert told["audio"]["window_seconds"] == (seconds or 1)
    assert ("fused" in told["audio"]["network"], "htk" in told["audio"]["preprocessing"]) == (fused, fused)
    assert "transformers" in told["versions"]
    again = settings_for(told, {"audio_weights": str(folders[fused])})
    assert (again.audio_tower, again.audio_seconds) == ("clap", seconds or 1)


def test_another_tower_than_the_banks_takes_nothing_of_its_settings() -> None:
    audio = {"tower": "clap", "weights": "laion/larger_clap_general", "window": "end", "window_seconds": 2.0}
    visual = {"tower": "tiny", "network": "", "weights": "random", "crops": 1, "sampling": "centre", "width": 8}
    told = {"visual": visual, "audio": audio}
    assert settings_for(told, {}).audio_weights == "laion/larger_clap_general"
    other = settings_for(told, {"audio_tower": "vggish"})
    assert (other.audio_weights, other.audio_seconds) == (None, None)
    audio |= {"tower": "vggish", "window": "tick", "pca_sha256": "0"}
    other = settings_for(told, {"audio_tower": "clap"})
    assert (other.audio_window, other.vggish_pca) == ("end", None)


def test_every_form_of_the_files_gives_the_same_tower(folder: Path) -> None:
    whole = build_clap(str(folder), None, CPU)
    assert build_clap(str(folder / "model.safetensors"), None, CPU).weights_sha256 == whole.weights_sha256
    state = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in state.items() if not name.endswith("relative_position_index")}
    torch.save(kept, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    processor = {"feature_extractor": json.loads((folder / "preprocessor_config.json").read_text())}
    (folder / "processor_config.json").write_text(json.dumps(processor))
    (folder / "preprocessor_config.json").unlink()
    other = build_clap(str(folder), None, CPU)
    assert other.weights_sha256 == whole.weights_sha256
    assert rows(other) == rows(whole)


def rows(tower: ClapEncoder) -> list[float]:
    window = np.sin(np.arange(tower.window) / 3, dtype=np.float32)
    return list(np.asarray(tower.encode(tower.prepare(window)[None])[0]))


def test_a_name_at_hugging_face(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub.errors import EntryNotFoundError

    asked = []

    def download(name: str, file: str) -> str:
        asked.append((name, file))
        if not (folder / file).is_file():
            raise EntryNotFoundError(file)
        return str(folder / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert rows(build_clap("laion/larger_clap_general", None, CPU)) == rows(build_clap(str(folder), None, CPU))
    assert {name for name, _ in asked} == {"laion/larger_clap_general"}
    extractor = Extractor(settings("laion/larger_clap_general"))
    assert extractor.describe()["audio"]["weights"] == "laion/larger_clap_general"
    build_clap("published", None, CPU)
    assert asked[-1][0] == clap.HUB


@pytest.mark.parametrize(
    "name", ["./laion/clap", "../clap", "/laion/clap", "clap", "a/b/c", "laion/clap.bin", "~/clap"]
)
def test_paths_are_no_names_at_hugging_face(name: str) -> None:
    assert not is_hub_name(name)


def test_random_weights_are_those_of_the_smaller_published_network() -> None:
    tower = build_clap("random", None, CPU)
    assert (tower.width, tower.rate, tower.window) == (512, 48_000, 480_000)
    assert "from 50 to 14000 Hz" in tower.facts["preprocessing"]


class Spoiled:
    """What can be wrong with a folder."""

    def no_config(self, folder: Path) -> None:
        (folder / "config.json").unlink()

    def no_weights(self, folder: Path) -> None:
        (folder / "model.safetensors").unlink()

    def torn_config(self, folder: Path) -> None:
        (folder / "config.json").write_text("{")

    def list_as_config(self, folder: Path) -> None:
        (folder / "config.json").write_text("[]")

    def of_whisper(self, folder: Path) -> None:
        (folder / "config.json").write_text('{"model_type": "whisper"}')

    def impossible(self, folder: Path) -> None:
        self.change(folder / "config.json", ("audio_config", "depths"), "deep")

    def wider(self, folder: Path) -> None:
        self.change(folder / "config.json", ("projection_dim",), 16)

    def other_bands(self, folder: Path) -> None:
        self.change(folder / "preprocessor_config.json", ("feature_size",), 64)

    def of_fused(self, folder: Path) -> None:
        self.change(folder / "preprocessor_config.json", ("truncation",), "fusion")

    def too_long(self, folder: Path) -> None:
        self.change(folder / "preprocessor_config.json", ("max_length_s",), 60)
        self.change(folder / "preprocessor_config.json", ("nb_max_samples",), 60 * RATE)

    def not_weights(self, folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")

    def of_laion(self, folder: Path) -> None:
        save_file({"module.audio_branch.bn0.weight": torch.ones(16)}, folder / "model.safetensors")

    @staticmethod
    def change(file: Path, keys: tuple[str, ...], value: object) -> None:
        told = json.loads(file.read_text())
        place = told
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value
        file.write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("no_config", "holds no config.json"),
        ("no_weights", "holds no model.safetensors or pytorch_model.bin"),
        ("torn_config", "config.json cannot be read"),
        ("list_as_config", "config.json holds a list"),
        ("of_whisper", "is of a 'whisper'"),
        ("impossible", "no network can be made of its config.json"),
        ("wider", "weights do not fit CLAP's audio tower; 'audio_projection.linear"),
        ("other_bands", "says feature_size: 64\n  expected: 16"),
        ("of_fused", "says truncation: fusion\n  expected: rand_trunc"),
        ("too_long", "makes 3001 frames"),
        ("not_weights", "it is a Git LFS pointer"),
        ("of_laion", "these are in the names of laion_clap"),
    ],
)
def test_folders_that_are_no_clap(folder: Path, spoil: str, said: str) -> None:
    getattr(Spoiled(), spoil)(folder)
    with pytest.raises(UserError) as raised:
        build_clap(str(folder), None, CPU)
    assert said in str(raised.value)
    assert raised.value.fix


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"audio_seconds": 0.0}, "--audio-seconds: 0\n  expected: more than 0, at most 1"),
        ({"audio_seconds": 1.5}, "--audio-seconds: 1.5"),
        ({"audio_seconds": float("nan")}, "--audio-seconds: nan"),
        ({"audio_seconds": 2.0, "audio_tower": "tiny", "audio_weights": None}, "--audio-seconds: is for clap"),
        ({"audio_window": "tick"}, "is the grid of vggish, not of clap"),
        ({"vggish_pca": "published"}, "is the post-processing of vggish, not of clap"),
        ({"audio_weights": "no/such/folder"}, "no such folder"),
        ({"audio_tower": "clop"}, "did you mean: clap?"),
    ],
)
def test_what_is_refused(folders: dict[bool, Path], changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as raised:
        Extractor(settings(folders[False], **changes))
    assert said in str(raised.value)


def test_without_a_network_or_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(name: str, file: str) -> str:
        raise ConnectionError(name, file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", offline)
    with pytest.raises(UserError, match=r"no such folder is here, and laion/clup could not be fetched"):
        build_clap("laion/clup", None, CPU)
    monkeypatch.setattr(clap, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"transformers, which is not installed\n  fix: pip install 'mmvad\[clap\]'"):
        build_clap("random", None, CPU)
