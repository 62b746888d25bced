"""From a configuration to the objects that it names: the text encoder and the model."""

from __future__ import annotations

from importlib import import_module

from mmvad.benchmarks.benchmark import Benchmark
from mmvad.config.schema import Config
from mmvad.features.bank import Bank
from mmvad.models.dual_stream import DualStream, NetworkSettings
from mmvad.models.dual_stream_model import DualStreamModel
from mmvad.models.model import Model
from mmvad.models.peers.setting import Setting
from mmvad.models.temporal import TemporalSettings
from mmvad.models.text_encoder import TextEncoder, build_text_encoder
from mmvad.objectives import LossSettings


def build_text(config: Config, bank: Bank) -> TextEncoder | None:
    """The frozen text encoder, or None without T. `tiny` gives features as wide as the bank's picture."""
    if not config.uses_text:
        return None
    text = config.model.text
    width = bank.train.visual_width if text.architecture == "tiny" else None
    return build_text_encoder(text.architecture, text.weights, width)


def build_model(config: Config, bank: Bank, benchmark: Benchmark, encoder: TextEncoder | None) -> Model:
    """The model that `model.name` names, for this bank's widths; its initial weights come from torch's current seed."""
    if config.model.name == "dual_stream":
        network = build_network(config, bank, benchmark, encoder)
        return DualStreamModel(network, LossSettings(**config.loss.model_dump()))
    setting = Setting(
        visual_width=bank.train.visual_width,
        audio_width=bank.train.audio_width if config.uses_audio else None,
        length=config.data.segment_length,
        prompts=tuple(c.prompt for c in benchmark.classes),
        encoder=encoder,
    )
    peer = import_module(f"mmvad.models.peers.{config.model.name}")
    return peer.build(setting, getattr(config.peers, config.model.name, None))


def build_network(config: Config, bank: Bank, benchmark: Benchmark, encoder: TextEncoder | None) -> DualStream:
    """The dual-stream network for this bank's widths."""
    model = config.model
    settings = NetworkSettings(
        visual_width=bank.train.visual_width,
        audio_width=bank.train.audio_width if config.uses_audio else None,
        length=config.data.segment_length,
        temporal=TemporalSettings(model.temporal, model.layers, model.heads, model.window, model.dropout),
        fusion=model.fusion,
        acp=model.acp,
        weighting=model.weighting,
        prompt_half=model.prompt_half,
        temperature=model.temperature,
        dropout=model.dropout,
    )
    return DualStream(settings, encoder, [c.prompt for c in benchmark.classes])
