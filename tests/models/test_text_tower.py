"""Every family of open_clip's text towers, narrow and of two layers, against open_clip's own `encode_text`."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from open_clip.coca_model import CoCa
from open_clip.model import CLIP, CustomTextCLIP
from torch import Tensor

from mmvad.errors import UserError
from mmvad.models.dual_stream import DualStream
from mmvad.models.losses.objective import objective
from mmvad.models.prompts import PromptSentences
from mmvad.models.text_encoder import TextEncoder, build_text_encoder
from mmvad.models.text_tokens import tokenizer_of
from tests.small import PROMPTS, batch, gradients, losses, network

NAME = "narrow"
SIZES = {"width", "heads", "layers", "vocab_size", "hf_tokenizer_name", "tokenizer_kwargs", "mlp_ratio"}


def families() -> dict[str, str]:
    """One model of every form that a text tower of open_clip's own has."""
    found: dict[str, str] = {}
    for name in open_clip.list_models():
        text = open_clip.get_model_config(name)["text_cfg"]
        if "hf_model_name" not in text:
            form = {key: value for key, value in text.items() if key not in SIZES}
            found.setdefault(json.dumps([form, "hf_tokenizer_name" in text], sort_keys=True), name)
    return {name: form for form, name in found.items()}


def narrow(name: str) -> dict[str, Any]:
    """The model's configuration with its own form of text tower, and little of anything."""
    config = open_clip.get_model_config(name)
    text = config["text_cfg"]
    text |= {"width": 32, "heads": 2, "layers": 2, "vocab_size": min(text.get("vocab_size", 49408), 49408)}
    config["embed_dim"] = 32 if text.get("proj_type") == "none" else 24
    config["vision_cfg"] = {"layers": 1, "width": 32, "head_width": 16, "patch_size": 16, "image_size": 32}
    if "multimodal_cfg" in config:
        config["multimodal_cfg"] |= {"width": 32, "heads": 2, "layers": 1}
        config["vision_cfg"]["output_tokens"] = True
    return config


@pytest.fixture(params=[*families()])
def encoder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> TextEncoder:
    return made(request.param, monkeypatch)


def made(name: str, monkeypatch: pytest.MonkeyPatch) -> TextEncoder:
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, NAME, narrow(name))
    encoder = build_text_encoder(NAME, "random")
    draw = torch.Generator().manual_seed(1)
    for parameter in encoder.tower.parameters():  # what starts at zero or one hides errors
        parameter.add_(0.05 * torch.randn(parameter.shape, generator=draw))
    return encoder


def whole_model(encoder: TextEncoder) -> Any:
    """open_clip's own model with the encoder's text tower."""
    config = open_clip.get_model_config(NAME)
    custom = config.pop("custom_text", False)
    model = (CoCa if "multimodal_cfg" in config else CustomTextCLIP if custom else CLIP)(**config).eval()
    own = getattr(model, "text", None)
    (own or model).load_state_dict(encoder.tower.state_dict(), strict=own is not None)
    return model


class Given(torch.nn.Module):
    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.rows = rows

    def forward(self, tokens: Tensor) -> Tensor:
        return self.rows.expand(len(tokens), -1, -1)


def plain_sentence(encoder: TextEncoder, name: str, vectors: Tensor, shift: Tensor | None = None) -> Tensor:
    """One class's feature by open_clip's `encode_text` over all places, its token embeddings given."""
    half, row = len(vectors) // 2, encoder.tokenize([name])[0].tolist()
    clips = 49406 in row
    eos = 49407 if clips else open_clip.get_model_config(NAME)["text_cfg"].get("eos_id", 2)
    before, words = row[:clips], row[clips : row.index(eos)]
    tokens = [*before, *[5] * half, *words, *[5] * half, eos]
    places = [*[None] * len(before), *range(half), *[None] * len(words), *range(half, 2 * half), None]
    tokens += [0] * (len(row) - len(tokens))
    model, moved = whole_model(encoder), vectors if shift is None else vectors + shift
    table = encoder.tower.token_embedding.weight
    rows = [table[t] if p is None else moved[p] for t, p in zip(tokens, places + [None] * len(row))]
    holder = getattr(model, "text", model)
    holder.token_embedding = Given(torch.stack(rows))
    return model.encode_text(torch.tensor([tokens]), normalize=False)[0]


def test_texts_with_learned_vectors_equal_open_clips_own(encoder: TextEncoder) -> None:
    torch.manual_seed(0)
    names = ["fighting", "car accident"]
    sentences = PromptSentences(encoder, names, 2)
    with torch.no_grad():
        sentences.vectors.normal_(std=0.3)
    shift = 0.1 * torch.randn(2, encoder.width)
    found = sentences.encoded(encoder, shift)
    wanted = torch.stack(
        [torch.stack([plain_sentence(encoder, n, sentences.vectors, s) for n in names]) for s in shift]
    )
    assert found.shape == (2, 2, encoder.output_width)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    weight = torch.randn_like(found)
    ours, theirs = (torch.autograd.grad((x * weight).sum(), sentences.vectors)[0] for x in (found, wanted))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert (found[0, 0] - found[0, 1]).abs().max() > 1e-3, "classes that are not told apart"


def test_what_may_be_cut_and_shared() -> None:
    """Six families at their own form; the rest follows from the same rule."""
    rule = {"ViT-B-16": True, "ViT-L-14-worldwide": True, "PE-Core-T-16-384": True}
    rule |= {"ViT-B-16-SigLIP2": False, "MobileCLIP-S1": False, "coca_ViT-B-32": False, "ViT-L-14-CLIPA": False}
    for name, cut in rule.items():
        with pytest.MonkeyPatch.context() as patch:
            assert made(name, patch).ends_at_eos is cut, name


@pytest.mark.parametrize("acp", ["pre_post", "none"])
def test_a_step_with_a_tower_that_looks_ahead(acp: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses and all gradients against one text after the other through `encode_text`."""
    encoder = made("ViT-B-16-SigLIP2", monkeypatch)
    found, wanted = (step(encoder, acp, kind, monkeypatch) for kind in ("ours", "plain"))
    assert found[0].keys() == wanted[0].keys()
    for ours, theirs in zip(found, wanted, strict=True):
        for key, value in ours.items():
            torch.testing.assert_close(value, theirs[key], rtol=1e-4, atol=1e-5, msg=lambda m, k=key: f"{k}: {m}")
    assert found[1]["fine.sentences.vectors"].abs().max() > 0


def step(
    encoder: TextEncoder, acp: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Losses and gradients of one step."""
    with monkeypatch.context() as patch:
        patch.setattr("tests.small.tiny_encoder", lambda: encoder)
        made_: DualStream = network(acp=acp)
        if kind == "plain":
            patch.setattr(PromptSentences, "encoded", one_by_one)
        videos, settings = batch([3, 9]), losses()
        terms = objective(made_(videos), videos, settings)
        terms["total"].backward()
    return {key: value.detach() for key, value in terms.items()}, gradients(made_)


def one_by_one(self: PromptSentences, encoder: TextEncoder, shift: Tensor | None = None) -> Tensor:
    shifts: Sequence[Tensor | None] = [None] if shift is None else [*shift]
    return torch.stack([torch.stack([plain_sentence(encoder, n, self.vectors, s) for n in PROMPTS]) for s in shifts])


def refused_models() -> Iterator[str]:
    for name in open_clip.list_models():
        if "hf_model_name" in open_clip.get_model_config(name)["text_cfg"]:
            yield name


@pytest.mark.parametrize("name", [*refused_models()][:2])
def test_towers_of_transformers_are_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"of Transformers, which takes tokens and no learned vectors"):
        build_text_encoder(name, "random")


@pytest.mark.parametrize(
    ("name", "near"),
    [("ViT-L-14-quikgelu", "ViT-L-14-quickgelu"), ("vit_b_16_siglip2", "ViT-B-16-SigLIP2"), ("tny", "tiny")],
)
def test_a_name_that_open_clip_does_not_know(name: str, near: str) -> None:
    with pytest.raises(UserError, match=f"open_clip has no such model(.|\n)*did you mean: {near}\\?"):
        build_text_encoder(name, "random")


def test_weights_that_were_trained_with_another_activation() -> None:
    with pytest.raises(UserError, match=r"trained with QuickGELU(.|\n)*did you mean: ViT-B-32-quickgelu"):
        build_text_encoder("ViT-B-32", "openai")


def test_prompts_longer_than_the_tower_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = made("ViT-SO400M-14-SigLIP", monkeypatch)
    assert encoder.context_length == 16
    with pytest.raises(UserError, match=r"model.prompt_half: .*'car accident' has 23 tokens(.|\n)*at most 16"):
        PromptSentences(encoder, ["fighting", "car accident"], 10)


def test_a_tokenizer_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    encoder = made("ViT-B-16-SigLIP2", monkeypatch)
    torch.save({f"text.{k}": v for k, v in copy.deepcopy(encoder.tower.state_dict()).items()}, tmp_path / "own.pt")

    def missing(name: str) -> None:
        raise ImportError(name="transformers")

    monkeypatch.setattr(open_clip, "get_tokenizer", missing)
    with pytest.raises(UserError, match="package transformers, which is not installed"):
        build_text_encoder(NAME, str(tmp_path / "own.pt"))


def test_a_tokenizer_beside_the_weights_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    encoder, asked = made("ViT-B-16-SigLIP2", monkeypatch), []
    torch.save({f"text.{k}": v for k, v in encoder.tower.state_dict().items()}, tmp_path / "own.pt")
    (tmp_path / "tokenizer.json").write_text("{}")
    monkeypatch.setattr(
        open_clip.tokenizer, "HFTokenizer", lambda *a, **k: asked.append((a, k)) or (lambda texts: texts)
    )
    build_text_encoder(NAME, str(tmp_path / "own.pt"))
    assert asked == [((str(tmp_path),), {"context_length": 64, "clean": "canonicalize"})]


WORDS = ("<pad>", "<eos>", "<unk>", "people", "fighting", "car")


def write_tokenizer(folder: Path, **config: str) -> str:
    """A tokenizer of WORDS as Hugging Face's repositories have theirs; gives the path of weights beside it."""
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers other than CLIP's need transformers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    end = [("<eos>", WORDS.index("<eos>"))]
    made.post_processor = tokenizers.processors.TemplateProcessing(single="$A <eos>", special_tokens=end)
    made.save(str(folder / "tokenizer.json"))
    if config:
        told = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<eos>", "unk_token": "<unk>", **config}
        (folder / "tokenizer_config.json").write_text(json.dumps(told))
    return str(folder / "weights.safetensors")


def test_the_tokenizer_of_files_beside_the_weights(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="tokenizers other than CLIP's need transformers")
    found = tokenizer_of("ViT-B-16-SigLIP2", write_tokenizer(tmp_path, pad_token="<pad>"))(["People fighting!", "car"])
    assert found.shape == (2, 64)
    assert found[:, :4].tolist() == [[3, 4, 1, 0], [5, 1, 0, 0]], "in lower case, without punctuation, EOS, padding"
    assert not found[:, 4:].any()


@pytest.mark.parametrize("config", [{}, {"pad_token_id": "0"}, {"tokenizer_class": "T5Tokenizer"}])
def test_files_of_a_tokenizer_that_do_not_do(tmp_path: Path, config: dict[str, str]) -> None:
    pytest.importorskip("transformers", reason="tokenizers other than CLIP's need transformers")
    weights = write_tokenizer(tmp_path, **config)
    with pytest.raises(
        UserError, match=r"cannot be had from .*\n  expected: .*tokenizer.json and tokenizer_config.json"
    ):
        tokenizer_of("ViT-B-16-SigLIP2", weights)
