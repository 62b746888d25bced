"""What every peer is made of before training: where dropout lies, and how weights are drawn."""

from __future__ import annotations

import math
from importlib import import_module

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mmvad.models.model import Model
from mmvad.models.peers import magnitude
from mmvad.models.peers.clip_tsa import network as clip_tsa
from mmvad.models.peers.clip_tsa.settings import ClipTsaSettings
from mmvad.models.peers.macil_sd import network as macil_sd
from mmvad.models.peers.macil_sd.settings import MacilSdSettings
from mmvad.models.peers.registry import Peers
from tests.models.peers.properties import bags, small_setting

TRUNK = {
    f"trunk.{position}": 0.6
    for position in ("fuse.2", "fuse.5", *(f"{g}.dropout" for g in ("similarity", "distance", "score")))
}
HEAD = {"head.2": 0.7, "head.5": 0.7}
BLOCK = ("attention.output.1", "ffn.2", "ffn.4")
ATTENTION = ("attention", "dropout", "ffn.2", "ffn.4")
MSBT = (
    "within",
    "among",
    "fusion.decoder",
    *(f"fusion.layers.{i}" for i in range(5)),
    *(f"joined.{i}" for i in range(4)),
)
DROPOUT = {
    "sultani": {"layers.2": 0.6, "layers.4": 0.6},
    "hl_net": TRUNK,
    "avvd": TRUNK,
    "rtfm": {"dropout": 0.7} | HEAD,
    "s3r": {"dropout": 0.7, "rest.2": 0.7, "rest.5": 0.7} | HEAD,
    "clip_tsa": {"dropout": 0.7} | HEAD,
    "mgfn": {},
    "macil_sd": {f"{net}.attend.{position}": 0.1 for net in ("both", "alone") for position in ATTENTION},
    "ur_dmu": {f"blocks.{i}.{position}": 0.5 for i in range(2) for position in BLOCK},
    "vadclip": {},
    "pel4vad": {"dropout": 0.1},
    "tpwng": {},
    "avadclip": {f"teacher.audio.blocks.{i}.dropout": 0.1 for i in range(3)},
    "wsal": dict.fromkeys(("embed.2", "semantic.2", "dynamic.2"), 0.8),
    "w_talc": {"hidden.2": 0.7},
    "three_c_net": {f"streams.{i}.hidden.4": 0.7 for i in range(2)},
    "bn_wvad": {},
    "dsanet": {},
    "cma_la": {"ffn.2": 0.1, "ffn.4": 0.1},
    "hyper_vd": {"narrow.2": 0.6, "narrow.5": 0.6}
    | {f"{graph}.{place}": 0.6 for graph in ("similarity", "distance") for place in ("linear.dropout", "dropout")},
    "msbt": {"weigh.2": 0.3, "weigh.4": 0.3, "score.2": 0.6, "score.4": 0.6}
    | {f"{layer}.{place}": p for layer in MSBT for place, p in (("attention", 0.1), ("ffn.2", 0.1), ("dropout", 0.2))},
    "anomaly_clip": {},
    "plovad": {"temporal.attention.dropout": 0.6},
    "c2fpl": {"layers.2": 0.6},
    "mavd": {},
    "hasan": {},
    "gods": {},
    "gcl": {},
    "msl": {"dropout": 0.1} | {f"layers.{i}.{place}": 0.1 for i in range(2) for place in ("dropout", "ffn.2")},
    "crfd": {"wide.2": 0.6, "narrow.2": 0.6},
    "cu_net": {f"heads.{i}.{place}": 0.6 for i in range(2) for place in (2, 4)} | {"last.2": 0.8, "last.4": 0.8},
    "dar": {
        f"{part}.layers.{i}.{place}": 0.1
        for part in ("whole", "past")
        for i in range(2)
        for place in ("self_attn", "dropout", "dropout1", "dropout2")
    },
    "msaf": {f"modalities.{i}.{place}": 0.6 for i in range(2) for place in ("refine.2", "embed.2")} | {"fuse.2": 0.6},
    "ovvad": {},
    "random_scores": {},
    "one_class_svm": {},
}
UNIFORM = {"crfd", "hl_net", "avvd", "rtfm", "s3r", "clip_tsa", "pel4vad", "w_talc", "three_c_net", "cma_la", "c2fpl"}
"""Xavier uniform everywhere; others keep what torch draws but for what is tested below."""
WITHOUT_BIAS = {"sultani", "rtfm", "s3r", "clip_tsa", "w_talc", "three_c_net", "c2fpl"}
"""Their biases begin at 0."""
MANY = 500
"""Of so many weights the largest is near the bound."""


def made(name: str) -> Model:
    torch.manual_seed(0)
    network = import_module(f"mmvad.models.peers.{name}.network")
    return network.build(small_setting(visual=128), getattr(Peers(), name, None))


def layers(model: nn.Module) -> dict[str, nn.Linear | nn.Conv1d]:
    """Linear layers and convolutions, less the frozen text tower's."""
    found = {n: m for n, m in model.named_modules() if isinstance(m, nn.Linear | nn.Conv1d)}
    return {name: layer for name, layer in found.items() if ".tower." not in name}


def xavier_scale(layer: nn.Linear | nn.Conv1d) -> float:
    """sqrt(2 / (fan in + fan out)), the deviation that Xavier's weights have."""
    rows, columns, *kernel = layer.weight.shape
    return math.sqrt(2 / ((rows + columns) * math.prod(kernel)))


@pytest.mark.parametrize("name", DROPOUT)
def test_dropout(name: str) -> None:
    model = made(name)
    found = {n: m.p for n, m in model.named_modules() if isinstance(m, nn.Dropout) and m.p}
    inside = {n: m.dropout for n, m in model.named_modules() if isinstance(m, nn.MultiheadAttention) and m.dropout}

    assert found | inside == DROPOUT[name]


def test_dropout_of_chains_lies_behind_the_activation() -> None:
    """But in Sultani et al.'s second layer, which is linear."""
    chains = {
        "sultani": "layers",
        "rtfm": "head",
        "hl_net": "trunk.fuse",
        "macil_sd": "both.attend.ffn",
        "ur_dmu": "blocks.0.ffn",
    }
    kinds = {name: [type(m).__name__ for m in made(name).get_submodule(chain)] for name, chain in chains.items()}
    assert kinds == {
        "sultani": ["Linear", "ReLU", "Dropout", "Linear", "Dropout", "Linear"],
        "rtfm": ["Linear", "ReLU", "Dropout"] * 2 + ["Linear"],
        "hl_net": ["Linear", "ReLU", "Dropout"] * 2,
        "macil_sd": ["Linear", "ReLU", "Dropout", "Linear", "Dropout"],
        "ur_dmu": ["Linear", "GELU", "Dropout", "Linear", "Dropout"],
    }


@pytest.mark.parametrize("name", ["rtfm", "s3r", "clip_tsa", "mgfn"])
def test_norms_are_dropped_in_training_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []

    def select(features: torch.Tensor, scores: torch.Tensor, batch: object, dropout: float) -> object:
        shares.append(dropout)
        return magnitude.select(features, scores, batch, dropout)  # type: ignore[arg-type]

    monkeypatch.setattr(import_module(f"mmvad.models.peers.{name}.network"), "select", select)
    model, batch = made(name), bags()
    batch = batch._replace(visual=F.pad(batch.visual, (0, 112)))
    if name == "s3r":
        model.dictionary = torch.randn(5, 128)
    model.train()(batch)
    model.eval()(batch)
    assert shares == [0.7, 0.0]


@pytest.mark.parametrize("name", sorted(UNIFORM))
def test_xavier_uniform(name: str) -> None:
    for position, layer in layers(made(name)).items():
        bound, largest = math.sqrt(3) * xavier_scale(layer), layer.weight.abs().max()
        assert largest <= bound, position
        assert layer.weight.numel() < MANY or largest > 0.95 * bound, position


def test_sultanis_xavier_is_normal() -> None:
    for layer in layers(made("sultani")).values():
        if layer.weight.numel() >= MANY:
            assert layer.weight.std().item() == pytest.approx(xavier_scale(layer), rel=0.05)
            assert layer.weight.abs().max() > 2.5 * xavier_scale(layer)  # a uniform draw ends at 1.73


@pytest.mark.parametrize("name", sorted(UNIFORM | {"sultani"}))
def test_biases_begin_at_zero_or_as_torch_draws_them(name: str) -> None:
    for position, layer in layers(made(name)).items():
        if layer.bias is not None:
            assert bool(layer.bias.any()) is (name not in WITHOUT_BIAS), position


@pytest.mark.parametrize(("narrowing", "bias"), [("published", True), ("xavier", False)])
def test_clip_tsas_narrowing_layers(narrowing: str, bias: bool) -> None:
    """The public code draws them as torch does: uniform up to 1 / sqrt(fan in), which xavier does for the others."""
    torch.manual_seed(0)
    model = clip_tsa.build(small_setting(visual=1024), ClipTsaSettings(narrowing=narrowing))
    for layer in (model.narrow[0], model.narrow[2]):
        bound = 1 / math.sqrt(layer.in_features) if bias else math.sqrt(3) * xavier_scale(layer)
        assert 0.99 * bound < layer.weight.abs().max() <= bound
        assert bool(layer.bias.any()) is bias
    torch.manual_seed(0)
    other = clip_tsa.build(small_setting(visual=1024), ClipTsaSettings(narrowing="xavier"))
    same = [bool((a == b).all()) for a, b in zip(model.temporal.parameters(), other.temporal.parameters(), strict=True)]
    assert all(same), "what else is drawn does not depend on it"


@pytest.mark.parametrize("initialisation", ["published", "xavier"])
def test_macil_sds_attention(initialisation: str) -> None:
    """Public: one linear layer, copied four times, with its biases."""
    torch.manual_seed(0)
    model = macil_sd.build(small_setting(visual=128), MacilSdSettings(initialisation=initialisation))
    published = initialisation == "published"
    for network in (model.both, model.alone):
        attention = network.attend.attention
        parts = [*attention.in_proj_weight.chunk(3), attention.out_proj.weight]
        biases = [*attention.in_proj_bias.chunk(3), attention.out_proj.bias]
        for drawn in (parts, biases):
            assert all(torch.equal(part, drawn[0]) for part in drawn) is (published or drawn is biases)
        assert bool(biases[0].any()) is published
        bound = 1 / math.sqrt(128) if published else math.sqrt(6 / (128 + 384))
        assert 0.99 * bound < parts[0].abs().max() <= bound
    first, second = (network.attend.attention.in_proj_weight for network in (model.both, model.alone))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("name", ["vadclip", "avadclip"])
def test_graphs_are_xavier_and_learned_vectors_small(name: str) -> None:
    model = made(name).eval()
    own = model.teacher if name == "avadclip" else model
    for branch in (own.visual.similarity, own.visual.distance):
        weight = branch.layers[0].weight
        bound = math.sqrt(3) * xavier_scale(weight)
        assert 0.9 * bound < weight.weight.abs().max() <= bound  # torch's own draws end at 0.71 of it
    for vectors in (own.visual.positions, own.branches.texts.rows):
        assert vectors.std().item() == pytest.approx(0.01, rel=0.1)


def test_what_else_is_set_by_hand() -> None:
    memory = made("ur_dmu").abnormal.slots
    bound = 1 / math.sqrt(memory.shape[1])
    assert memory.shape == (60, 512)
    assert 0.99 * bound < memory.abs().max() <= bound
    pel4vad = made("pel4vad")
    learned = pel4vad.attention.distance_weight, pel4vad.attention.distance_bias, pel4vad.attention.balance
    assert [p.item() for p in learned] == pytest.approx([0.06, 0.02, 0])
    assert pel4vad.log_temperature.exp().item() == pytest.approx(0.05)
    for name in ("rtfm", "s3r", "clip_tsa"):
        norms = [m.norm.norm for m in made(name).modules() if isinstance(m, magnitude.NonLocal)]
        assert norms
        assert not any(norm.weight.any() or norm.bias.any() for norm in norms)
