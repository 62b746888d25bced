"""From a configuration to the objects that it names: the text encoder and the model."""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

from mmvad.bank.bank import Bank
from mmvad.benchmarks.benchmark import Benchmark
from mmvad.config.load import METHOD
from mmvad.config.schema import Config
from mmvad.errors import UserError
from mmvad.models.dual_stream import DualStream, NetworkSettings
from mmvad.models.dual_stream_model import DualStreamModel
from mmvad.models.model import Model
from mmvad.models.outside import OURS, is_outside, outside
from mmvad.models.setting import Setting
from mmvad.models.temporal import TemporalSettings
from mmvad.models.text_encoder import TextEncoder, build_text_encoder


class Widths(NamedTuple):
    """How wide the features are: d_v, and d_a (0 without sound)."""

    visual: int
    audio: int

    @classmethod
    def of(cls, bank: Bank) -> Widths:
        return cls(bank.train.visual_width, bank.train.audio_width)


def build_text(config: Config, widths: Widths) -> TextEncoder | None:
    """The frozen text encoder, or None without T. `tiny` gives features as wide as the network, or as the picture's.

    Raises UserError for a network that is not as wide as what CLIP's own tower gives.
    """
    if not config.uses_text:
        return None
    text, wanted = config.model.text, config.model.width
    width = wanted or widths.visual if text.architecture == "tiny" else None
    encoder = build_text_encoder(text.architecture, text.weights, width)
    if wanted and encoder.output_width != wanted:
        problem = f"{wanted}, but texts of {text.architecture} are {encoder.output_width} wide"
        raise UserError("model.width", problem, fix=f"set model.width to 0 or {encoder.output_width}")
    return encoder


def build_model(config: Config, widths: Widths, benchmark: Benchmark, encoder: TextEncoder | None) -> Model:
    """The model that `model.name` names, for such features; its initial weights come from torch's current seed."""
    if config.model.name == OURS:
        network = build_network(config, widths, benchmark, encoder)
        return DualStreamModel(network, config.loss)
    setting = Setting(
        visual_width=widths.visual,
        audio_width=widths.audio if config.uses_audio else None,
        length=config.data.segment_length,
        prompts=tuple(c.prompt for c in benchmark.classes),
        encoder=encoder,
    )
    if is_outside(config.model.name):
        return outside(config.model.name).made_by(setting, getattr(config, METHOD, None))
    if encoder is not None and not encoder.as_clip:
        raise UserError(
            f"model.text.architecture: {config.model.text.architecture}",
            f"{config.model.name} makes its sentences as CLIP's are: 77 of its tokens, read at EOS by a causal tower",
            expected="a model of CLIP's own form, such as ViT-B-16-quickgelu or ViT-L-14-quickgelu",
            fix="use it with the dual-stream network (model.name=dual_stream)",
        )
    peer = import_module(f"mmvad.models.peers.{config.model.name}.network")
    return peer.build(setting, getattr(config.peers, config.model.name, None))


def build_network(config: Config, widths: Widths, benchmark: Benchmark, encoder: TextEncoder | None) -> DualStream:
    """The dual-stream network for features of these widths."""
    model = config.model
    settings = NetworkSettings(
        visual_width=widths.visual,
        audio_width=widths.audio if config.uses_audio else None,
        length=config.data.segment_length,
        temporal=TemporalSettings(model.temporal, model.layers, model.heads, model.window, model.dropout),
        fusion=model.fusion,
        acp=model.acp,
        weighting=model.weighting,
        prompt_half=model.prompt_half,
        temperature=model.temperature,
        dropout=model.dropout,
        width=model.width,
    )
    return DualStream(settings, encoder, [c.prompt for c in benchmark.classes])
