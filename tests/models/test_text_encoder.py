"""The text tower against open_clip's own, and its weights from files of every kind, good and bad."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.nn import functional as F

from mmvad.errors import UserError
from mmvad.models import text_encoder
from mmvad.models.prompts import PromptSentences
from mmvad.models.text_encoder import TextEncoder, build_text_encoder, to_stream_dtype, tokenize, weights_hash
from tests.plain import network as plain
from tests.small import PROMPTS

SENTENCES = ["normal", "a photo of a car accident", "people are fighting in front of a shop " * 3]


@pytest.fixture(scope="module")
def large() -> TextEncoder:
    return build_text_encoder("ViT-B-16-quickgelu", "random")


@pytest.fixture(scope="module")
def other_state() -> dict[str, Tensor]:
    """Weights of a tiny tower that are not the built-in random ones."""
    state = build_text_encoder("tiny", "random").tower.state_dict()
    draw = torch.Generator().manual_seed(1)
    return {name: t + 0.01 * torch.randn(t.shape, generator=draw) for name, t in state.items()}


def assert_cut_equals_full(encoder: TextEncoder) -> None:
    tokens = tokenize(SENTENCES)
    end = tokens.argmax(dim=1)
    cut = tokens[:, : int(end.max()) + 1]
    assert cut.shape[1] < 77
    with torch.no_grad():
        found, wanted = encoder(encoder.embed_tokens(cut), end), encoder.tower(tokens)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_cut_forward_equals_open_clips_own_over_77_tokens(large: TextEncoder) -> None:
    assert (large.width, large.output_width) == (512, 512)
    assert_cut_equals_full(large)


def test_the_real_tower_reads_prompt_sentences_as_full_ones(large: TextEncoder) -> None:
    torch.manual_seed(0)
    sentences = PromptSentences(large, PROMPTS, 10)
    with torch.no_grad():
        found = sentences.encoded(large)[0]
        wanted = torch.stack([plain.encode_sentence(large.tower, n, sentences.vectors, None) for n in PROMPTS[-2:]])
    torch.testing.assert_close(found[-2:], wanted, rtol=1e-5, atol=1e-5)


def test_tiny_has_the_width_that_is_asked_for() -> None:
    encoder = build_text_encoder("tiny", "random", 16)
    assert (encoder.width, encoder.output_width) == (64, 16)
    assert_cut_equals_full(encoder)


def test_the_tower_is_frozen_and_stays_in_evaluation_mode() -> None:
    encoder = build_text_encoder("tiny", "random")
    encoder.train()
    assert not any(module.training for module in encoder.modules())
    assert not any(p.requires_grad for p in encoder.parameters())


def test_gradient_passes_through_to_the_embeddings() -> None:
    encoder = build_text_encoder("tiny", "random")
    tokens = tokenize(SENTENCES)
    embeddings = encoder.embed_tokens(tokens).requires_grad_()
    encoder(embeddings, tokens.argmax(dim=1)).sum().backward()
    assert embeddings.grad is not None
    assert embeddings.grad.any()
    behind = torch.arange(77) > tokens.argmax(dim=1, keepdim=True)
    assert not embeddings.grad[behind].any(), "what stands behind EOS changes nothing"


def test_random_weights_are_the_same_whatever_the_seed() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = weights_hash(build_text_encoder("tiny", "random"))
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(2)
    assert weights_hash(build_text_encoder("tiny", "random")) == first


def save(kind: str, path: Path, state: dict[str, Tensor]) -> Path:
    """A checkpoint of an open_clip model: the text tower bare or under `text.`, beside an image tower."""
    rest = {"visual.conv1.weight": torch.zeros(4, 3, 2, 2), "logit_scale": torch.tensor(4.6)}
    prefixed = {f"text.{name}": tensor for name, tensor in state.items()}
    if kind == "safetensors":
        save_file(state | rest, path.with_suffix(".safetensors"))
        return path.with_suffix(".safetensors")
    content = {
        "bare": state | rest,
        "text.": prefixed | rest,
        "half": {n: t.half() for n, t in (state | rest).items()},
        "trainer": {"epoch": 3, "state_dict": {f"module.{n}": t for n, t in (state | rest).items()}},
    }[kind]
    torch.save(content, path.with_suffix(".pt"))
    return path.with_suffix(".pt")


@pytest.mark.parametrize("kind", ["bare", "text.", "safetensors", "trainer"])
def test_weights_from_a_local_file(kind: str, tmp_path: Path, other_state: dict[str, Tensor]) -> None:
    encoder = build_text_encoder("tiny", str(save(kind, tmp_path / "clip", other_state)))
    for name, tensor in encoder.tower.state_dict().items():
        assert torch.equal(tensor, other_state[name]), name
    assert not any(p.requires_grad for p in encoder.parameters())


def test_half_precision_files_are_read_as_float32(tmp_path: Path, other_state: dict[str, Tensor]) -> None:
    encoder = build_text_encoder("tiny", str(save("half", tmp_path / "clip", other_state)))
    assert {t.dtype for t in encoder.tower.state_dict().values()} == {torch.float32}


def test_openais_archive(tmp_path: Path, other_state: dict[str, Tensor]) -> None:
    """OpenAI's file is a TorchScript archive whose modules carry the same names."""
    root = nn.Module()
    for name, tensor in other_state.items():
        *path, last = name.split(".")
        module = root
        for part in path:
            if not hasattr(module, part):
                module.add_module(part, nn.Module())
            module = getattr(module, part)
        module.register_parameter(last, nn.Parameter(tensor))
    file = tmp_path / "ViT-B-16.pt"
    torch.jit.save(torch.jit.script(root), str(file))
    encoder = build_text_encoder("tiny", str(file))
    assert all(torch.equal(t, other_state[name]) for name, t in encoder.tower.state_dict().items())


def test_hash_depends_on_the_weights_and_not_on_the_file(tmp_path: Path, other_state: dict[str, Tensor]) -> None:
    files = [save(kind, tmp_path / kind.strip("."), other_state) for kind in ("bare", "text.", "safetensors")]
    hashes = {weights_hash(build_text_encoder("tiny", str(file))) for file in files}
    assert len(hashes) == 1
    changed = dict(other_state)
    changed["ln_final.bias"] = changed["ln_final.bias"] + torch.eye(64)[3] * 1e-6
    hashes.add(weights_hash(build_text_encoder("tiny", str(save("bare", tmp_path / "changed", changed)))))
    hashes.add(weights_hash(build_text_encoder("tiny", "random")))
    assert len(hashes) == 3


@pytest.mark.slow
def test_a_whole_clip_model_gives_the_same_features(tmp_path: Path) -> None:
    """open_clip's ViT-B/16 by its own door, its text weights through a file, against `encode_text`."""
    model = open_clip.create_model("ViT-B-16-quickgelu", pretrained=None).eval()
    state = {name: t for name, t in model.state_dict().items() if not name.startswith("visual.")}
    torch.save(state, tmp_path / "clip.pt")
    encoder = build_text_encoder("ViT-B-16-quickgelu", str(tmp_path / "clip.pt"))
    (tmp_path / "clip.pt").unlink()  # a quarter of a gigabyte
    tokens = tokenize(SENTENCES)
    end = tokens.argmax(dim=1)
    with torch.no_grad():
        found = encoder(encoder.embed_tokens(tokens[:, : int(end.max()) + 1]), end)
        torch.testing.assert_close(found, model.encode_text(tokens), rtol=1e-5, atol=1e-5)


def refusal(path: Path | str, architecture: str = "tiny") -> str:
    with pytest.raises(UserError) as caught:
        build_text_encoder(architecture, str(path))
    return str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    text = refusal(tmp_path / "none.pt")
    assert str(tmp_path / "none.pt") in text
    assert "no such file" in text


def test_another_architectures_file(tmp_path: Path, other_state: dict[str, Tensor]) -> None:
    wider = {name: torch.cat([t, t], dim=-1) for name, t in other_state.items()}
    text = refusal(save("bare", tmp_path / "clip", wider))
    assert str(tmp_path / "clip.pt") in text
    assert "do not fit tiny" in text
    del other_state["ln_final.bias"]
    text = refusal(save("bare", tmp_path / "clip", other_state))
    assert "'ln_final.bias' is absent" in text
    text = refusal(save("bare", tmp_path / "image", {}))
    assert "text weights do not fit" in text


class Harmful:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("name", ["clip.pt", "clip.bin", "clip.safetensors", "clip"])
@pytest.mark.parametrize("by_torch", [True, False])
def test_a_pickle_with_code_is_refused_and_not_run(name: str, by_torch: bool, tmp_path: Path) -> None:
    file, marker = tmp_path / name, tmp_path / "ran"
    if by_torch:
        torch.save({"token_embedding.weight": Harmful(marker)}, file)
    else:
        file.write_bytes(pickle.dumps({"token_embedding.weight": Harmful(marker)}))
    assert str(file) in refusal(file)
    assert not marker.exists()


@pytest.mark.parametrize("kind", ["bare", "safetensors"])
@pytest.mark.parametrize("kept", [0, 3, 5000])
def test_a_truncated_file(kind: str, kept: int, tmp_path: Path, other_state: dict[str, Tensor]) -> None:
    file = save(kind, tmp_path / "clip", other_state)
    file.write_bytes(file.read_bytes()[:kept])
    text = refusal(file)
    assert str(file) in text
    assert "cannot be read as weights" in text


@pytest.mark.parametrize(
    "content", [3, [torch.zeros(2)], {}, {"token_embedding.weight": 3}, {1: torch.zeros(2)}, {"state_dict": None}]
)
def test_a_file_that_holds_no_weights(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "clip.pt")
    assert str(tmp_path / "clip.pt") in refusal(tmp_path / "clip.pt")


def test_an_unknown_name_lists_the_known_ones() -> None:
    text = refusal("opnai", "ViT-B-16-quickgelu")
    assert "'opnai'" in text
    assert "openai" in text.split("expected:")[1]
    assert "no published weights of tiny" in refusal("openai")


@pytest.mark.parametrize(
    ("device", "autocast", "wanted"),
    [
        ("cuda", torch.bfloat16, torch.bfloat16),
        ("cuda", torch.float16, torch.float32),
        ("cuda", None, torch.float32),
        ("cpu", torch.bfloat16, torch.float32),
    ],
)
def test_the_stream_is_bfloat16_where_a_gpus_products_are(
    device: str, autocast: torch.dtype | None, wanted: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: autocast is not None)
    monkeypatch.setattr(torch, "get_autocast_dtype", lambda device: autocast)
    with FakeTensorMode():
        assert to_stream_dtype(torch.empty(2, 3, device=device)).dtype == wanted


def test_a_bfloat16_stream_costs_little(large: TextEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real tower in mixed precision: features of one tree, against single precision."""
    encoder = large
    torch.manual_seed(0)
    sentences = PromptSentences(encoder, ["normal", "car accident", "riot"], 4)
    with torch.no_grad():
        exact = F.normalize(sentences.encoded(encoder), dim=-1)
        found = {}
        for name, dtype in {"mixed": torch.float32, "stream": torch.bfloat16}.items():
            monkeypatch.setattr(text_encoder, "to_stream_dtype", lambda x, dtype=dtype: x.to(dtype))
            with torch.autocast("cpu", torch.bfloat16):
                off = F.normalize(sentences.encoded(encoder).float(), dim=-1) - exact
            found[name] = float(off.norm() / exact.norm())
    assert 0.001 < found["mixed"] < 0.02
    assert found["stream"] < 2 * found["mixed"]
