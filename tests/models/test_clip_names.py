"""Every form in which CLIP's weights are published gives the same towers; random weights in each form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mmvad.errors import UserError
from mmvad.models.clip_names import architecture_of, in_open_clips_names
from mmvad.models.clip_weights import tower_state

SMALL = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 9, "vocab_size": 40, "width": 48, "heads": 3, "layers": 2},
}


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """The weights of a small CLIP of open_clip's, every one of them random."""
    model = open_clip.CLIP(**SMALL, quick_gelu=True)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(t.shape, generator=generator) for name, t in model.state_dict().items()}


def as_transformers(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights as Transformers' CLIPModel saves them, written from its own modules' names."""
    found = {"logit_scale": state["logit_scale"], "text_projection.weight": state["text_projection"].T.contiguous()}
    found["visual_projection.weight"] = state["visual.proj"].T.contiguous()
    found["text_model.embeddings.position_ids"] = torch.arange(9)[None]
    found["vision_model.embeddings.position_ids"] = torch.arange(5)[None]
    found["text_model.embeddings.token_embedding.weight"] = state["token_embedding.weight"]
    found["vision_model.embeddings.class_embedding"] = state["visual.class_embedding"]
    found["vision_model.embeddings.patch_embedding.weight"] = state["visual.conv1.weight"]
    norms = {"text_model.final_layer_norm": "ln_final", "vision_model.pre_layrnorm": "visual.ln_pre"}
    norms["vision_model.post_layernorm"] = "visual.ln_post"
    for tower, start in (("text_model", ""), ("vision_model", "visual.")):
        found[f"{tower}.embeddings.position_embedding.weight"] = state[f"{start}positional_embedding"]
        for layer in range(2):
            ours, theirs = f"{start}transformer.resblocks.{layer}", f"{tower}.encoder.layers.{layer}"
            norms |= {f"{theirs}.layer_norm{n}": f"{ours}.ln_{n}" for n in (1, 2)}
            norms |= {f"{theirs}.mlp.fc1": f"{ours}.mlp.c_fc", f"{theirs}.mlp.fc2": f"{ours}.mlp.c_proj"}
            norms[f"{theirs}.self_attn.out_proj"] = f"{ours}.attn.out_proj"
            for kind in ("weight", "bias"):
                for part, rows in zip("qkv", state[f"{ours}.attn.in_proj_{kind}"].chunk(3), strict=True):
                    found[f"{theirs}.self_attn.{part}_proj.{kind}"] = rows.contiguous()
    found |= {f"{new}.{kind}": state[f"{old}.{kind}"] for new, old in norms.items() for kind in ("weight", "bias")}
    return found


def safetensors(state: dict[str, Tensor], folder: Path) -> Path:
    save_file(state, folder / "open_clip_model.safetensors")
    return folder / "open_clip_model.safetensors"


def pytorch_bin(state: dict[str, Tensor], folder: Path) -> Path:
    torch.save(state, folder / "open_clip_pytorch_model.bin")
    return folder / "open_clip_pytorch_model.bin"


def trainer(state: dict[str, Tensor], folder: Path) -> Path:
    torch.save({"epoch": 1, "state_dict": {f"module.{n}": t for n, t in state.items()}}, folder / "epoch_1.pt")
    return folder / "epoch_1.pt"


def archive(state: dict[str, Tensor], folder: Path) -> Path:
    """OpenAI's form: a TorchScript program that carries the weights, and three numbers beside them."""
    root = nn.Module()
    for name, tensor in (state | {"input_resolution": torch.tensor(32)}).items():
        *path, last = name.split(".")
        module = root
        for part in path:
            if not hasattr(module, part):
                module.add_module(part, nn.Module())
            module = getattr(module, part)
        module.register_buffer(last, tensor)
    torch.jit.save(torch.jit.script(root), str(folder / "ViT-B-16.pt"))
    return folder / "ViT-B-16.pt"


def transformers_safetensors(state: dict[str, Tensor], folder: Path) -> Path:
    save_file(as_transformers(state), folder / "model.safetensors", metadata={"format": "pt"})
    return folder / "model.safetensors"


def transformers_bin(state: dict[str, Tensor], folder: Path) -> Path:
    torch.save(as_transformers(state), folder / "pytorch_model.bin")
    return folder / "pytorch_model.bin"


FORMS = [safetensors, pytorch_bin, trainer, archive, transformers_safetensors, transformers_bin]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_towers(
    form: Callable[[dict[str, Tensor], Path], Path], state: dict[str, Tensor], tmp_path: Path
) -> None:
    file = form(state, tmp_path)
    model = open_clip.CLIP(**SMALL, quick_gelu=True)  # type: ignore[arg-type]
    text = {n: t for n, t in model.state_dict().items() if not n.startswith("visual.")}
    image = {n.removeprefix("visual."): t for n, t in model.state_dict().items() if n.startswith("visual.")}
    for tower, wanted, start in (("text", text, ""), ("visual", image, "visual.")):
        found = tower_state("small", str(file), wanted, tower, "model.text.weights")  # type: ignore[arg-type]
        assert found.keys() == wanted.keys()
        for name, tensor in found.items():
            assert torch.equal(tensor, state[f"{start}{name}"]), name


def test_separate_projections_compute_what_the_joined_one_does(state: dict[str, Tensor]) -> None:
    """Attention with q, k and v apart, as Transformers' layer has it, against open_clip's with what they were turned
    into."""
    theirs = as_transformers(state)
    ours = in_open_clips_names(theirs)
    x = torch.randn(1, 5, 48, generator=torch.Generator().manual_seed(1))
    layer = "text_model.encoder.layers.1.self_attn"
    q, k, v = (
        nn.functional.linear(x, theirs[f"{layer}.{part}_proj.weight"], theirs[f"{layer}.{part}_proj.bias"])
        .unflatten(-1, (3, 16))
        .transpose(1, 2)
        for part in "qkv"
    )
    wanted = ((q * 16**-0.5) @ k.transpose(-1, -2)).softmax(-1) @ v
    wanted = wanted.transpose(1, 2).flatten(2)
    wanted = nn.functional.linear(wanted, theirs[f"{layer}.out_proj.weight"], theirs[f"{layer}.out_proj.bias"])
    attention = nn.MultiheadAttention(48, 3, batch_first=True)
    start = "transformer.resblocks.1.attn."
    attention.load_state_dict({n.removeprefix(start): t for n, t in ours.items() if n.startswith(start)})
    torch.testing.assert_close(attention(x, x, x, need_weights=False)[0], wanted, rtol=1e-4, atol=1e-3)


def test_a_checkpoint_of_another_architecture_is_named(tmp_path: Path) -> None:
    large = {"visual.conv1.weight": torch.zeros(1024, 3, 14, 14), "ln_final.weight": torch.zeros(768)}
    assert architecture_of(large) == "ViT-L/14"
    assert architecture_of({"ln_final.weight": torch.zeros(3)}) is None
    torch.save(large, tmp_path / "large.pt")
    with pytest.raises(UserError, match=r"the file is of ViT-L/14: give the checkpoint of ViT-B-16, or change model"):
        tower_state(
            "ViT-B-16", str(tmp_path / "large.pt"), {"ln_final.weight": torch.zeros(512)}, "text", "model.text.weights"
        )


def test_a_part_that_is_missing_is_named_as_open_clip_has_it(state: dict[str, Tensor], tmp_path: Path) -> None:
    """As of a `CLIPTextModel`, which has no projection."""
    part = {n: t for n, t in as_transformers(state).items() if n.startswith("text_model.")}
    torch.save(part, tmp_path / "text.bin")
    with pytest.raises(UserError, match="'text_projection' is absent"):
        tower_state("small", str(tmp_path / "text.bin"), {"text_projection": state["text_projection"]}, "text", "w")


def test_a_folder_or_a_wrong_suffix_is_said(state: dict[str, Tensor], tmp_path: Path) -> None:
    file = safetensors(state, tmp_path)
    with pytest.raises(UserError, match=rf"(?s)is a folder.*did you mean: {file}"):
        tower_state("small", str(tmp_path), {}, "text", "w")
    file.rename(tmp_path / "clip.bin")
    with pytest.raises(UserError, match=r"looks like a \.safetensors file: give it that suffix"):
        tower_state("small", str(tmp_path / "clip.bin"), {"x": torch.zeros(1)}, "text", "w")
