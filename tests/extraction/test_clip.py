"""The image tower against open_clip's whole model, its weights from a checkpoint, and its crops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from mmvad.errors import UserError
from mmvad.extraction.clip import build_image_encoder
from mmvad.extraction.crops import Preprocessing, ten_crops
from mmvad.models.clip_weights import tower_state
from mmvad.system.device import torch_device, tower_precision
from tests.plain import extraction as plain

CPU = torch.device("cpu")


@pytest.mark.slow
def test_a_whole_clip_model_gives_the_same_features(tmp_path: Path) -> None:
    """open_clip's ViT-B/16 by its own door and transform, its image weights through a file, against `encode_image`."""
    model, _, preprocess = open_clip.create_model_and_transforms("ViT-B-16-quickgelu", pretrained=None)
    state = {name: t for name, t in model.state_dict().items() if name.startswith("visual.")}
    torch.save(state, tmp_path / "clip.pt")
    encoder = build_image_encoder("ViT-B-16-quickgelu", str(tmp_path / "clip.pt"), 0, CPU)
    (tmp_path / "clip.pt").unlink()
    frame = np.random.default_rng(0).integers(0, 255, (90, 160, 3), dtype=np.uint8)
    with torch.no_grad():
        wanted = model.eval().encode_image(preprocess(Image.fromarray(frame))[None])
    np.testing.assert_allclose(encoder.encode(encoder.prepare(frame)[None]), wanted.numpy(), atol=1e-4)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    torch.save({"visual.conv1.weight": torch.zeros(2), "ln_final.bias": torch.zeros(64)}, tmp_path / "other.pt")
    with pytest.raises(UserError, match="visual weights do not fit tiny") as caught:
        build_image_encoder("tiny", str(tmp_path / "other.pt"), 64, CPU)
    assert "--clip-weights" in str(caught.value)
    assert "change --clip-architecture" in str(caught.value)
    with pytest.raises(UserError, match="no such file") as caught:
        build_image_encoder("tiny", str(tmp_path / "none.pt"), 64, CPU)
    assert "no weights of tiny are published" in str(caught.value)
    with pytest.raises(UserError, match="no such file") as caught:
        tower_state("ViT-B-16-quickgelu", str(tmp_path / "none.pt"), {}, "visual", "--clip-weights")
    assert "open_clip_model.safetensors of timm/vit_base_patch16_clip_224.openai" in str(caught.value)


def test_tiny_weights_go_through_a_file(tmp_path: Path) -> None:
    first = build_image_encoder("tiny", "random", 32, CPU)
    state = {f"visual.{name}": tensor * 1.01 for name, tensor in first.network.state_dict().items()}
    torch.save(state, tmp_path / "tiny.pt")
    second = build_image_encoder("tiny", str(tmp_path / "tiny.pt"), 32, CPU)
    assert first.width == second.width == 32
    assert first.weights_sha256 != second.weights_sha256
    assert all(torch.equal(t, state[f"visual.{name}"]) for name, t in second.network.state_dict().items())


@pytest.mark.parametrize("size", [(240, 320), (1080, 1920), (320, 180), (1, 1), (7, 500), (256, 340), (224, 224)])
def test_crops_equal_open_clips_and_the_plain_ten(size: tuple[int, int]) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    image = Image.fromarray(frame)
    mean, deviation = np.array(open_clip.OPENAI_DATASET_MEAN), np.array(open_clip.OPENAI_DATASET_STD)

    def normal(crops: np.ndarray) -> np.ndarray:
        return ((crops / 255 - mean) / deviation).transpose(0, 3, 1, 2)

    np.testing.assert_allclose(normal(Preprocessing().crop(frame)[None])[0], plain.one_crop(image)[0], atol=1e-5)
    np.testing.assert_allclose(normal(ten_crops(frame)), np.stack(plain.ten_crops(image)), atol=1e-5)


def test_device_and_precision() -> None:
    assert tower_precision("auto", CPU) == "float32"
    assert tower_precision("auto", torch.device("cuda")) == "float16"
    assert tower_precision("bfloat16", CPU) == "bfloat16"
    for name in ("gpu", "cuda:99", "meta-physical"):
        with pytest.raises(UserError, match="--device"):
            torch_device(name, "--device")
