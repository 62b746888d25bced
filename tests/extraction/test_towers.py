"""Towers of one's own, of timm and of torchvision: against plain loops; several in one pass; what is no tower."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torchvision import models

from mmvad.cli.main import main
from mmvad.errors import UserError
from mmvad.extraction import visual
from mmvad.extraction.crops import Preprocessing
from mmvad.extraction.extractor import Extractor, extract_together
from mmvad.extraction.settings import ExtractionSettings
from mmvad.extraction.timm_network import build_timm_network
from mmvad.extraction.video_network import _preprocessing, build_video_network
from mmvad.predict.extraction import settings_for
from tests.extraction.videos import Track, moving_pictures, noise, write_video
from tests.plain import extraction as plain

CPU = torch.device("cpu")
MODULE = "own_towers_of_the_tests"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "VIDEO.md"


class Means:
    """A tower of pictures: the mean of each quarter of a small grey picture."""

    def __init__(self, device: torch.device, frames: int = 1, **changes: Any) -> None:
        assert device == CPU
        self.name, self.width, self.weights_sha256 = f"means of {frames}", 4, "none"
        self.frames, self.size, self.preprocessing = frames, 8, "to 8 x 8"
        vars(self).update(changes)

    def prepare(self, frame: np.ndarray) -> np.ndarray:
        return np.array(Image.fromarray(frame).resize((8, 8)))

    def encode(self, pictures: np.ndarray) -> np.ndarray:
        assert pictures.ndim == (4 if self.frames == 1 else 5)
        x = pictures.reshape(len(pictures), -1, 8, 2, 4, 3).astype(np.float32)
        return np.stack([x[:, :, i : i + 4, j].mean(axis=(1, 2, 3, 4)) for i in (0, 4) for j in (0, 1)], axis=1)


class Loudness:
    """A tower of sound: the mean square of 0.5 s at 16 kHz."""

    name, width, weights_sha256, rate, window = "loudness", 1, "none", 16_000, 8000

    def __init__(self, device: torch.device) -> None:
        del device

    def prepare(self, window: np.ndarray) -> np.ndarray:
        return window**2

    def encode(self, prepared: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(prepared).mean(dim=1, keepdim=True)


def failing(device: torch.device) -> None:
    raise RuntimeError(f"no weights on {device}")


@pytest.fixture(autouse=True)
def own(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType(MODULE)
    vars(module).update(
        means=Means,
        clips=lambda device: Means(device, frames=16),
        fours=lambda device: Means(device, frames=4),
        loudness=Loudness,
        failing=failing,
        nothing=lambda device: None,
        lacking=lambda device: Loudness(device),
        thirds=lambda device: Means(device, frames=3),
        wider=lambda device: Means(device, width=5),
        larger=lambda device: Means(device, size=9),
    )
    monkeypatch.setitem(sys.modules, MODULE, module)
    return module


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """41 frames: the last snippet has nine."""
    path = tmp_path_factory.mktemp("clips") / "clip.mkv"
    return write_video(path, moving_pictures(41, 64, 48), 25, tracks=[Track(noise(1.64, 16_000), 16_000)])


def settings(factory: str, **changes: Any) -> ExtractionSettings:
    return ExtractionSettings(**{"visual_tower": f"{MODULE}:{factory}", "audio": False, "batch": 20, **changes})


@pytest.mark.parametrize(("factory", "places"), [("means", [8]), ("fours", [2, 6, 10, 14]), ("clips", [*range(16)])])
@pytest.mark.parametrize("crops", [1, 10])
def test_a_tower_of_ones_own_equals_a_plain_loop(clip: Path, factory: str, places: list[int], crops: int) -> None:
    extractor = Extractor(settings(factory, crops=crops))
    found = extractor.extract(clip).visual
    pictures = [np.array(image) for image in plain.decode(clip)[0]]
    assert len(pictures) == 41
    frames = [[pictures[min(16 * n + place, 40)] for place in places] for n in range(3)]
    prepared = np.stack([[extractor.image.prepare(frame) for frame in row] for row in frames])
    wanted = extractor.image.encode(prepared if len(places) > 1 else prepared[:, 0])
    assert sorted(found) == list(range(crops))
    if crops == 1:
        np.testing.assert_allclose(found[0], wanted, rtol=1e-6)
    assert all(rows.shape == (3, 4) and rows.dtype == np.float32 for rows in found.values())


def test_sound_of_ones_own_equals_a_plain_loop(clip: Path) -> None:
    features = Extractor(settings("means", audio=True, audio_tower=f"{MODULE}:loudness")).extract(clip)
    samples, rate = plain.waveform(clip)
    assert rate == 16_000
    sound = np.concatenate([np.zeros(8000), samples.mean(axis=1), np.zeros(8000)])
    ends = [8000 + round(second * 16_000) for second in features.starts[1:]]
    assert features.audio is not None
    wanted = [[np.mean(sound[end - 8000 : end] ** 2)] for end in ends]
    np.testing.assert_allclose(features.audio, wanted, rtol=1e-3)


def test_several_towers_decode_once_and_give_what_each_gives_alone(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loud: dict[str, Any] = {"audio": True, "audio_tower": f"{MODULE}:loudness"}
    ways = [
        Extractor(settings("means", batch=3, **loud)),
        Extractor(settings("clips")),
        Extractor(settings("means", sampling="mean", crops=10, **loud)),
    ]
    alone = [extractor.extract(clip) for extractor in ways]
    calls, decode = [], visual.pictures

    def counted(path: Path, notes: list[str]) -> Iterator[Any]:
        calls.append(path)
        return decode(path, notes)

    monkeypatch.setattr(visual, "pictures", counted)
    together = extract_together(ways, clip)
    assert len(calls) == 1
    for one, other in zip(alone, together, strict=True):
        assert one.visual.keys() == other.visual.keys()
        assert all(np.array_equal(one.visual[crop], other.visual[crop]) for crop in one.visual)
        assert (one.audio is None) == (other.audio is None)
        assert one.audio is None or np.array_equal(one.audio, other.audio)
    assert together[0].audio is together[2].audio, "sound that is made in one way is made once"


def run(*words: object) -> int:
    return main(["extract", *map(str, words)])


def test_several_towers_from_the_command_line(clip: Path, tmp_path: Path) -> None:
    towers = ["--visual-tower", f"{MODULE}:means", "--visual-tower", f"{MODULE}:clips", "--no-audio"]
    out = tmp_path / "out"
    assert run(clip, "--out", out, *towers) == 0
    folders = sorted(path.name for path in out.iterdir() if path.is_dir())
    assert folders == [f"{MODULE}-clips", f"{MODULE}-means"]
    told = json.loads((out / folders[0] / "features.json").read_text())["visual"]
    assert (told["tower"], told["sampling"]) == (f"{MODULE}:clips", "16 frames")
    assert told["preprocessing"] == "to 8 x 8"
    assert settings_for({"visual": told, "audio": None}, {}).visual_tower == f"{MODULE}:clips"
    before = (out / folders[1] / "visual" / "clip__0.npy").stat().st_mtime_ns
    (out / folders[0] / "visual" / "clip__0.npy").unlink()
    assert run(clip, "--out", out, *towers) == 0
    assert (out / folders[0] / "visual" / "clip__0.npy").is_file()
    assert (out / folders[1] / "visual" / "clip__0.npy").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--visual-tower", "no_such_module:f"], "there is no module 'no_such_module'"),
        (["--visual-tower", f"{MODULE}:meanz"], f"did you mean: {MODULE}:means?"),
        (["--visual-tower", f"{MODULE}:failing"], "its factory failed: RuntimeError: no weights on cpu"),
        (["--visual-tower", f"{MODULE}:nothing"], "a NoneType without name, width"),
        (["--visual-tower", f"{MODULE}:lacking"], "a Loudness without frames, size, preprocessing"),
        (["--visual-tower", f"{MODULE}:thirds"], "its frames is 3\n  expected: one of 1, 2, 4, 8, 16"),
        (["--visual-tower", f"{MODULE}:clips", "--sampling", "mean"], "makes a row of 16 frames"),
        (["--visual-tower", f"{MODULE}:means", "--visual-weights", "w.pt"], "loads its own weights"),
        (["--visual-tower", "ViT-L-14-quikgelu"], "did you mean: ViT-L-14-quickgelu?"),
        (["--visual-tower", "timm/resnet_50"], "did you mean: timm/resnet50?"),
        (["--visual-tower", "torchvision/r2plus1d"], "did you mean: torchvision/r2plus1d_18?"),
        (["--visual-tower", "ViT-L-14", "--visual-weights", "openai"], "did you mean: ViT-L-14-quickgelu?"),
        (["--visual-tower", "tiny", "--visual-tower", "tiny", "--visual-weights", "random"], "is named twice"),
        (["--audio-tower", "vgish"], "did you mean: vggish?"),
        (["--audio-tower", "tiny", "--audio-weights", "published"], "has random weights"),
        (["--audio-tower", f"{MODULE}:loudness", "--audio-window", "tick"], "is the grid of vggish"),
    ],
)
def test_what_is_no_tower(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    tower = [] if "--visual-tower" in words else ["--visual-tower", f"{MODULE}:means"]
    assert run(clip, "--out", tmp_path / "out", *tower, *words) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("factory", "said"), [("wider", r"shape \(3, 4\).*\n.*\(3, 5\)"), ("larger", r"uint8 \(8, 8, 3\)")]
)
def test_rows_and_pictures_of_another_shape(clip: Path, factory: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        Extractor(settings(factory)).extract(clip)


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit"])
def test_timms_networks_equal_timms_own_features(name: str) -> None:
    tower = build_timm_network(name, "random", CPU)
    own = timm.create_model(name, pretrained=False, num_classes=0).eval()
    own.load_state_dict(tower.network.state_dict())
    transform = timm.data.create_transform(**timm.data.resolve_data_config(model=own))
    frame = np.random.default_rng(0).integers(0, 255, (90, 220, 3), dtype=np.uint8)
    with torch.no_grad():
        wanted = own(transform(Image.fromarray(frame))[None])
    found = tower.encode(tower.prepare(frame)[None])
    assert found.shape == (1, tower.width)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", models.list_models(module=models.video))
def test_videos_are_prepared_as_torchvision_does(name: str) -> None:
    own = models.get_model_weights(name).DEFAULT.transforms()
    how = _preprocessing(own)
    frames = np.random.default_rng(0).integers(0, 255, (2, 90, 220, 3), dtype=np.uint8)
    wanted = own(torch.from_numpy(frames).permute(0, 3, 1, 2)).permute(1, 2, 3, 0)
    found = torch.from_numpy(np.stack([how.crop(frame) for frame in frames])).float() / 255
    torch.testing.assert_close((found - torch.tensor(how.mean)) / torch.tensor(how.deviation), wanted)


def test_a_video_network_without_its_head() -> None:
    tower, seen = build_video_network("mc3_18", "random", CPU), list[torch.Tensor]()
    own = models.video.mc3_18(weights=None).eval()
    own.load_state_dict(tower.network.state_dict(), strict=False)
    own.fc.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    clips = torch.rand(1, 3, 16, 32, 32)
    with torch.no_grad():
        own(clips)
    assert (tower.frames, tower.width) == (16, 512)
    torch.testing.assert_close(tower.network(clips), seen[0])


@pytest.mark.parametrize(("mode", "shape"), [("shortest", (90, 160)), ("squash", (90, 160)), ("longest", (160, 90))])
def test_preprocessing_equals_open_clips(mode: Any, shape: tuple[int, int]) -> None:
    from open_clip.transform import PreprocessCfg, image_transform_v2

    frame = np.random.default_rng(0).integers(0, 255, (*shape, 3), dtype=np.uint8)
    config = PreprocessCfg(size=64, mean=(0.5,) * 3, std=(0.25,) * 3, resize_mode=mode, fill_color=0)
    wanted = image_transform_v2(config, is_train=False)(Image.fromarray(frame))
    how = Preprocessing(64, mode=mode, mean=(0.5,) * 3, deviation=(0.25,) * 3)
    found = (torch.from_numpy(how.crop(frame)).permute(2, 0, 1).float() / 255 - 0.5) / 0.25
    torch.testing.assert_close(found, wanted)


def test_the_worked_example_gives_the_published_features_of_real_clips(field_data: Path, tmp_path: Path) -> None:
    """EfficientNet-Lite0 as docs/VIDEO.md has it, on real clips: the centre frame is every second row of their file."""
    pytest.importorskip("efficientnet_lite_pytorch")
    code = re.search(r"\*\*`my_towers.py`\*\*\s+```python\n([\s\S]*?)^```$", PAGE.read_text(), re.MULTILINE)
    assert code is not None
    module: dict[str, Any] = {}
    exec(compile(code[1], "my_towers.py", "exec"), module)
    real = field_data / "real" / "fights"
    stored = np.load(real / "clips.npz")
    sys.modules[MODULE].__dict__["lite0"] = module["EfficientNetLite0"]
    extractor, cosines = Extractor(settings("lite0")), []
    for name in ("fight_fi006", "noFight_nofi005"):
        found = extractor.extract(real / "videos" / f"{name}.mp4").visual[0]
        nth = list(stored["names"]).index(name)
        before = int(stored["rows"][:nth].sum())
        wanted = stored["visual"][before : before + stored["rows"][nth]][1::2].astype(np.float32)
        pairs = zip(found, wanted)
        cosines += [float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in pairs]
    assert np.mean(cosines) > 0.99
