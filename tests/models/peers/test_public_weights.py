"""Public checkpoints by their own names: every tensor of ours is found, and what is not theirs is named."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from torch import Tensor

from mmvad.errors import UserError
from mmvad.models.model import Model
from mmvad.models.peers.public_weights import State, importable, imported, public_weights
from mmvad.models.peers.registry import Peers
from tests.models.peers.properties import small_setting
from tests.small import WIDTH

WIDTHS = {"rtfm": 64, "lagovad": 64, "s3r": 128, "clip_tsa": 64, "mgfn": 32}


def made(name: str, seed: int = 0, **changes: object) -> Model:
    torch.manual_seed(seed)
    settings = getattr(Peers(), name)
    network = import_module(f"mmvad.models.peers.{name}.network")
    setting = small_setting(visual=WIDTHS.get(name, WIDTH), audio=WIDTH if name == "avadclip" else 8)
    return network.build(setting, settings.model_validate({**settings.model_dump(), **changes}))


def written(name: str, model: Model) -> dict[str, State]:
    """A model's weights under their public names, one checkpoint a part."""
    own, states = model.state_dict(), {}
    for part, public in public_weights(name).items():
        state: dict[str, Tensor] = {}
        for ours, source in public.sources(model).items():
            tensor = source.change(own[ours])  # turning and negating undo themselves
            state |= dict(zip(source.names, tensor.chunk(len(source.names)) if len(source.names) > 1 else [tensor]))
        states[part] = state
    return states


@pytest.mark.parametrize("name", importable())
def test_what_is_written_under_public_names_is_read_back(name: str) -> None:
    model, other = made(name), made(name, seed=1)
    if name == "s3r":
        model.dictionary = torch.randn(5, WIDTHS[name])
    states = {part: state for part, state in written(name, model).items() if state}
    found = imported(other, public_weights(name), states)
    own = {key: tensor for key, tensor in model.state_dict().items() if ".tower." not in key}
    assert set(found) == set(own)
    for key, tensor in found.items():
        assert torch.equal(tensor, own[key]), key


def test_missing_and_extra_tensors_are_named() -> None:
    model = made("hl_net")
    states = written("hl_net", model)
    state = dict(states["weights"])
    state["conv1d3.weight"] = state["simAdj.w"] = torch.zeros(1)  # declared by the public code, never used
    imported(model, public_weights("hl_net"), {"weights": state})
    with pytest.raises(UserError, match="has one_more, which the public code does not name"):
        imported(model, public_weights("hl_net"), {"weights": {**state, "one_more": torch.zeros(1)}})
    del state["gc3.weight"]
    with pytest.raises(UserError, match=r"weights: lacks gc3\.weight"):
        imported(model, public_weights("hl_net"), {"weights": state})


def test_a_turned_tensor_is_not_taken_for_another_shape() -> None:
    model = made("hl_net")
    state = dict(written("hl_net", model)["weights"])
    state["conv1d2.weight"] = state["conv1d2.weight"].T
    with pytest.raises(UserError, match=r"trunk\.fuse\.3\.weight: of shape \[512, 128\]"):
        imported(model, public_weights("hl_net"), {"weights": state})


def test_what_is_not_scored_may_be_left_out() -> None:
    model = made("macil_sd")
    states = written("macil_sd", model)
    found = imported(model, public_weights("macil_sd"), {"both": states["both"]})
    assert not [name for name in found if name.startswith("alone.")]
    with pytest.raises(UserError, match="both: this checkpoint is not given"):
        imported(model, public_weights("macil_sd"), {"alone": states["alone"]})


def test_a_layer_that_is_ours_alone_is_named() -> None:
    """Features of another width than the texts' pass a linear layer that no public checkpoint has."""
    states = written("vadclip", made("vadclip"))
    network = import_module("mmvad.models.peers.vadclip.network")
    model = network.build(small_setting(visual=24), Peers().vadclip)
    with pytest.raises(UserError, match=r"its network has align\.weight, align\.bias"):
        imported(model, public_weights("vadclip"), states)


def test_other_methods_are_refused() -> None:
    with pytest.raises(UserError, match=r"'tpwng' has no public weights(.|\n)*one of sultani, w_talc"):
        public_weights("tpwng")
