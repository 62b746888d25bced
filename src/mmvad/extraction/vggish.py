"""VGGish (torchvggish), frozen: windows of 0.96 s to features. Only `published` weights are ever downloaded."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmvad.errors import UserError
from mmvad.extraction.waveform import RATE, WINDOW
from mmvad.models.clip_weights import RANDOM_WEIGHTS_SEED, state_hash

WIDTH = 128
_FILES = {"--vggish-weights": "vggish-10086976.pth", "--vggish-pca": "vggish_pca_params-970ea276.pth"}
_PUBLISHED_AT = "https://github.com/harritaylor/torchvggish/releases/download/v0.1/"
_HASHED_NAME = re.compile(r"-([0-9a-f]{8,})\.pth$")


class AudioEncoder:
    """VGGish as an `AudioTower`: windows of 0.96 s to rows of 128.

    Attributes:
        weights_sha256: of the network's weights, whatever file they came from.
        facts: the hash of the post-processing's weights, None without it.
    """

    name, width, rate, window = "VGGish (torchvggish)", WIDTH, RATE, WINDOW

    def __init__(
        self, network: nn.Module, pca: dict[str, Tensor] | None, device: torch.device, name: str | None = None
    ) -> None:
        self.name = name or self.name
        self.network: Any = network.float().requires_grad_(False).eval()
        self.weights_sha256 = state_hash(self.network)
        self.facts = {"pca_sha256": None if pca is None else _hash(pca), "window_seconds": 0.96}
        self.pca = pca
        self.network.to(device)
        self.device = device

    def prepare(self, window: np.ndarray) -> np.ndarray:
        """The window's log mel spectrogram, as `example`."""
        return example(window)

    def encode(self, prepared: np.ndarray) -> Tensor:
        """Features of log mel spectrograms, float32 [N, 96, 64] to [N, 128]."""
        features = self.network(torch.from_numpy(prepared)[:, None].to(self.device)).float().cpu()
        with torch.autocast("cpu", enabled=False):  # 256 steps are finer than bfloat16 tells apart
            return features if self.pca is None else postprocess(features, self.pca)


def example(window: np.ndarray) -> np.ndarray:
    """The window's log mel spectrogram by torchvggish's own input code: float32 [15600] to float32 [96, 64]."""
    from torchvggish.vggish_input import waveform_to_examples

    return waveform_to_examples(window, RATE, return_tensor=False)[0].astype(np.float32)


def postprocess(features: Tensor, pca: dict[str, Tensor]) -> Tensor:
    """AudioSet's post-processing: PCA with whitening, cut to [-2, 2], in 256 steps from 0 to 255: [N, 128]."""
    projected = (features - pca["pca_means"].reshape(1, -1)) @ pca["pca_eigen_vectors"].T
    return ((projected.clamp(-2, 2) + 2) * (255 / 4)).round()


def build_audio_encoder(weights: str, pca: str | None, device: torch.device) -> AudioEncoder:
    """The audio encoder.

    Args:
        weights: `random` (the same ones everywhere), `published` (needs a network once), or a local file.
        pca: `published` or a local file for AudioSet's post-processing; None for VGGish's own output.

    Raises UserError, naming file, place and origin, where weights cannot be had or are not what their name says.
    """
    from torchvggish.torchvggish import VGG, make_layers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_WEIGHTS_SEED)
        network = VGG(make_layers(), postprocess=False)
        if weights == "random":
            network.apply(_keep_the_signal)
            network.embeddings[-2].weight.data *= 0.2  # features of about the published ones' size
    if weights != "random":
        network.load_state_dict(_load("--vggish-weights", weights, network.state_dict()))
    return AudioEncoder(network, _load_pca(pca) if pca else None, device)


def build_tiny_encoder(device: torch.device) -> AudioEncoder:
    """Two convolutions in VGGish's place, on its windows and spectrograms: random weights, the same ones everywhere.

    For trying things out: about a thousandth of VGGish's work.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_WEIGHTS_SEED)
        layers: list[nn.Module] = []
        for before, behind in ((1, 8), (8, 16)):
            layers += [nn.Conv2d(before, behind, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4)]
        network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16 * 6 * 4, WIDTH), nn.ReLU())
        network.apply(_keep_the_signal)
    return AudioEncoder(network, None, device, "tiny, on VGGish's windows")


def _keep_the_signal(module: nn.Module) -> None:
    """He's initialisation: torch's own loses a third of the signal in each layer, until only the biases are left."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        module.bias.data.zero_()  # type: ignore[union-attr]


def _load_pca(pca: str) -> dict[str, Tensor]:
    shapes = {"pca_eigen_vectors": torch.zeros(WIDTH, WIDTH), "pca_means": torch.zeros(WIDTH, 1)}
    return _load("--vggish-pca", pca, shapes)


def _load(option: str, source: str, wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of `wanted`, by name and size, as float32."""
    state = _fetch(option) if source == "published" else _read(option, Path(source))
    content = state if isinstance(state, dict) else {}
    state = {n: torch.as_tensor(v) for n, v in content.items() if isinstance(v, Tensor | np.ndarray)}
    wrong = [name for name, tensor in wanted.items() if name not in state or state[name].numel() != tensor.numel()]
    if wrong:
        found = f"has shape {tuple(state[wrong[0]].shape)}" if wrong[0] in state else "is absent"
        problem = f"{len(wrong)} of {len(wanted)} arrays do not fit VGGish; {wrong[0]!r} {found}"
        raise UserError(f"{option}: {source}", problem, fix=_origin(option))
    return {name: state[name].float().reshape(tensor.shape) for name, tensor in wanted.items()}


def _read(option: str, path: Path) -> Any:
    if not path.is_file():
        raise UserError(f"{option}: {path}", "no such file", expected=_FILES[option], fix=_origin(option))
    named = _HASHED_NAME.search(path.name)
    if named and not _file_hash(path).startswith(named[1]):
        problem = f"its SHA-256 begins with {_file_hash(path)[:8]}: it is damaged, or another file"
        raise UserError(f"{option}: {path}", problem, expected=f"{named[1]}, as its name says", fix=_origin(option))
    try:
        with torch.serialization.safe_globals(_numpy_arrays()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        problem = f"cannot be read as weights ({type(error).__name__})"
        raise UserError(f"{option}: {path}", problem, expected=_FILES[option], fix=_origin(option)) from error


def _numpy_arrays() -> list[Any]:
    """What a file of plain numpy arrays is made of, under numpy's old name and its new one.

    The published parameters of the post-processing are such a file.
    """
    rebuild = np.empty(0).__reduce__()[0]
    names = [f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")]
    kinds = [type(np.dtype(kind)) for kind in ("float32", "float64")]
    return [*((rebuild, name) for name in names), np.ndarray, np.dtype, *kinds]


def _fetch(option: str) -> Any:
    """The published file, from torch's cache or the network."""
    file = Path(torch.hub.get_dir()) / "checkpoints" / _FILES[option]
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            expected = _HASHED_NAME.search(file.name)
            torch.hub.download_url_to_file(
                _PUBLISHED_AT + file.name,
                str(file),
                hash_prefix=expected[1] if expected else None,
                progress=False,
            )
        except (OSError, RuntimeError) as error:
            problem = f"the published weights could not be fetched ({error})"
            raise UserError(
                option, problem, expected=f"a network, or the file at {file}", fix=_origin(option)
            ) from error
    return _read(option, file)


def _origin(option: str) -> str:
    return (
        f"fetch {_FILES[option]} from {_PUBLISHED_AT} on a machine with a network and name it with {option} PATH "
        f"(`mmvad extract --no-audio` does without sound)"
    )


def _file_hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash(arrays: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(arrays.items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
