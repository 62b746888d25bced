"""CLAP's audio tower, of Transformers: windows of up to 10 s to features in the space that CLAP shares with texts.

Weights are LAION's, as Hugging Face has them: `config.json`, `preprocessor_config.json`, and `model.safetensors` or
`pytorch_model.bin`. Of other code in such a folder nothing is ever run.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmvad.errors import UserError
from mmvad.models.clip_weights import RANDOM_WEIGHTS_SEED, fitting, read_state, state_hash

WHERE, WEIGHTS, SECONDS = "--audio-tower: clap", "--audio-weights", "--audio-seconds"
HUB = "laion/clap-htsat-unfused"
"""What `published` stands for."""
_CONFIG, _PREPROCESSOR, _PROCESSOR = "config.json", "preprocessor_config.json", "processor_config.json"
_STATES = ("model.safetensors", "pytorch_model.bin")
_EXPECTED = f"{_CONFIG} and {' or '.join(_STATES)}, as in {HUB} at Hugging Face"
_FIX = f"fetch these files of {HUB} elsewhere and name their folder with {WEIGHTS} DIR; random tries the rest out"
_MADE_ANEW = ("relative_position_index", "num_batches_tracked")
"""Buffers that follow from the configuration, which some releases of Transformers do not save."""


class ClapEncoder:
    """CLAP's audio tower with its projection: an `AudioTower`.

    Args:
        network: `ClapAudioModelWithProjection`.
        features: `ClapFeatureExtractor`, which makes its log mel spectrograms.
        seconds: of a window; a shorter one than the network's 10 s is repeated, as in its training.
    """

    def __init__(self, network: Any, features: Any, seconds: float, device: torch.device) -> None:
        fused = bool(network.config.enable_fusion)
        self.name = f"CLAP audio tower{', fused' if fused else ''} (transformers)"
        self.width = int(network.config.projection_dim)
        self.rate = int(features.sampling_rate)
        self.window = max(round(seconds * self.rate), 1)
        self.features, self.device = features, device
        self.network: Any = network.float().requires_grad_(False).eval()
        self.weights_sha256 = state_hash(self.network)
        self.facts = {"preprocessing": _in_words(features), "window_seconds": seconds}
        self.network.to(device)

    def prepare(self, window: np.ndarray) -> np.ndarray:
        """The window's log mel spectrogram, float32 [1, frames, bands]; of a fused tower four times the same."""
        found = self.features(window, sampling_rate=self.rate, return_tensors="np")["input_features"][0]
        return np.asarray(found, dtype=np.float32)

    def encode(self, prepared: np.ndarray) -> Tensor:
        """Features of spectrograms, [N, width], not normalised.

        A fused tower fuses for every window, as the library does for one alone: of several it draws one to be fused.
        """
        spectrograms = torch.from_numpy(prepared).to(self.device)
        fused = torch.ones(len(prepared), 1, dtype=torch.bool, device=self.device)
        found: Tensor = self.network(input_features=spectrograms, is_longer=fused).audio_embeds
        return found


def build_clap(weights: str, seconds: float | None, device: torch.device) -> ClapEncoder:
    """CLAP's audio tower.

    Args:
        weights: a folder as Hugging Face has it, or the file of weights in it; a name there, such as
            `laion/larger_clap_general`; `published` for HUB; or `random` (the same ones everywhere).
        seconds: of a window; as many as the network takes if None.

    Raises UserError where Transformers or the weights cannot be had, or the weights are of another network.
    """
    if find_spec("transformers") is None:
        problem = "is read by the package transformers, which is not installed"
        raise UserError(WHERE, problem, fix="pip install 'mmvad[clap]' (or: pip install transformers)")
    files = None if weights == "random" else _files(weights)
    told = f"{WEIGHTS}: {weights}"
    network = _network(files, told)
    features = _features(files, told, fused=network.config.enable_fusion)
    _check_pair(network.config, features, told)
    if files is not None:
        _load(network, files[1], told)
    longest = features.nb_max_samples / features.sampling_rate
    if seconds is not None and not 0 < seconds <= longest:
        raise UserError(SECONDS, f"{seconds:g}", expected=f"more than 0, at most {longest:g}, which CLAP takes at once")
    return ClapEncoder(network, features, seconds or longest, device)


def is_hub_name(weights: str) -> bool:
    """Whether the weights are named as at Hugging Face, `owner/name`, and no such path is there."""
    owner, _, name = weights.partition("/")
    usual = all(part and part[0].isalnum() and "/" not in part for part in (owner, name))
    return usual and Path(name).suffix not in (".safetensors", ".bin", ".pt") and not Path(weights).exists()


def _files(weights: str) -> tuple[Path, Path]:
    """The folder of the configuration, and the file of weights. Raises UserError where they are not there."""
    name = HUB if weights == "published" else weights
    if is_hub_name(name):
        return _fetched(name)
    path = Path(weights)
    if not path.exists():
        expected = f"a folder with {_EXPECTED}; a name there; published; or random"
        raise UserError(f"{WEIGHTS}: {weights}", "no such folder", expected=expected, fix=_FIX)
    folder = path if path.is_dir() else path.parent
    state = path if path.is_file() else next((folder / name for name in _STATES if (folder / name).is_file()), None)
    if state is None or not (folder / _CONFIG).is_file():
        lacking = _CONFIG if state is not None else " or ".join(_STATES)
        raise UserError(f"{WEIGHTS}: {weights}", f"{folder} holds no {lacking}", expected=_EXPECTED, fix=_FIX)
    return folder, state


def _fetched(name: str) -> tuple[Path, Path]:
    """The same of weights at Hugging Face, from its cache or a network."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    def first(*names: str) -> Path:
        for nth, file in enumerate(names, start=1):
            try:
                return Path(hf_hub_download(name, file))
            except LocalEntryNotFoundError:  # also an EntryNotFoundError, but of the network
                raise
            except EntryNotFoundError:
                if nth == len(names):
                    raise
        raise AssertionError

    try:
        folder = first(_CONFIG).parent
        first(_PREPROCESSOR, _PROCESSOR)
        return folder, first(*_STATES)
    except Exception as error:
        problem = f"no such folder is here, and {name} could not be fetched ({type(error).__name__})"
        expected = "a folder, a network, weights fetched before, or random"
        raise UserError(f"{WEIGHTS}: {name}", problem, expected=expected, fix=_FIX) from error


def _network(files: tuple[Path, Path] | None, where: str) -> Any:
    """`ClapAudioModelWithProjection` of that configuration, LAION's smaller one without; its weights are random."""
    from transformers import ClapAudioConfig, ClapAudioModelWithProjection, ClapConfig

    told = {} if files is None else _json(files[0] / _CONFIG, where)
    kind = told.get("model_type", "clap")
    if kind not in ("clap", "clap_audio_model"):
        raise UserError(where, f"its {_CONFIG} is of a {kind!r}", expected="of clap", fix=_FIX)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_WEIGHTS_SEED)
        try:
            whole = kind == "clap" and files is not None
            config: Any = ClapConfig.from_dict(told).audio_config if whole else ClapAudioConfig.from_dict(told)
            return ClapAudioModelWithProjection(config)
        except Exception as error:
            problem = f"no network can be made of its {_CONFIG} ({type(error).__name__}: {str(error)[:120]})"
            raise UserError(where, problem, expected=_EXPECTED, fix=_FIX) from error


def _features(files: tuple[Path, Path] | None, where: str, *, fused: bool) -> Any:
    """`ClapFeatureExtractor` as the folder has it; without, as the published weights of that kind have it."""
    from transformers import ClapFeatureExtractor

    told: dict[str, Any] = {}
    if files is not None and (files[0] / _PREPROCESSOR).is_file():
        told = _json(files[0] / _PREPROCESSOR, where)
    elif files is not None and (files[0] / _PROCESSOR).is_file():
        told = _json(files[0] / _PROCESSOR, where).get("feature_extractor", {})
    usual = {"frequency_min": 50, "frequency_max": 14_000, "truncation": "fusion" if fused else "rand_trunc"}
    try:
        return ClapFeatureExtractor.from_dict({**usual, **told})
    except Exception as error:
        problem = f"its {_PREPROCESSOR} cannot be used ({type(error).__name__}: {str(error)[:120]})"
        raise UserError(where, problem, expected=f"that of {HUB}", fix=_FIX) from error


def _check_pair(config: Any, features: Any, where: str) -> None:
    """Raises UserError where the spectrograms are not those that the network takes."""
    asked = {"feature_size": config.num_mel_bins, "truncation": "fusion" if config.enable_fusion else "rand_trunc"}
    for name, value in asked.items():
        if getattr(features, name) != value:
            problem = f"its {_PREPROCESSOR} says {name}: {getattr(features, name)}"
            raise UserError(where, problem, expected=f"{value}, as its {_CONFIG} asks for", fix=_FIX)
    frames, most = features.nb_max_samples // features.hop_length + 1, config.spec_size**2 // config.num_mel_bins
    if frames > most:
        problem = f"its {_PREPROCESSOR} makes {frames} frames of {features.max_length_s} s"
        raise UserError(where, problem, expected=f"at most {most}, which its {_CONFIG} has room for", fix=_FIX)


def _load(network: Any, file: Path, where: str) -> None:
    expected = f"a checkpoint of CLAP in Transformers' names ({' or '.join(_STATES)})"
    state = read_state(file, WEIGHTS, expected, _FIX)
    own = network.state_dict()
    wanted = {name: tensor for name, tensor in own.items() if not name.endswith(_MADE_ANEW)}
    fix = f"{'these are in the names of laion_clap: ' if any('audio_branch' in name for name in state) else ''}{_FIX}"
    network.load_state_dict({**own, **fitting(state, wanted, where, "weights do not fit CLAP's audio tower", fix)})


def _in_words(features: Any) -> str:
    scale = "htk" if features.truncation == "fusion" else "slaney"
    return (
        f"log mel ({scale}), {features.feature_size} bands from {features.frequency_min:g} to "
        f"{features.frequency_max:g} Hz, {features.fft_window_size} samples every {features.hop_length}; "
        f"{features.padding} to {features.nb_max_samples / features.sampling_rate:g} s"
    )


def _json(path: Path, where: str) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(where, f"{path.name} cannot be read ({error})", expected=_EXPECTED, fix=_FIX) from error
    if not isinstance(found, dict):
        raise UserError(where, f"{path.name} holds a {type(found).__name__}", expected="an object", fix=_FIX)
    return found
