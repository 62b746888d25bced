"""What a configuration resolves to before anything is trained: bank, text weights, device, identity."""

from __future__ import annotations

from dataclasses import dataclass

from mmvad.bank.bank import Bank
from mmvad.benchmarks.benchmark import Benchmark
from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.config.identity import run_identity, run_name
from mmvad.config.schema import Config
from mmvad.data.opening import bank_of
from mmvad.models.open_clip_models import model_of, published_tags
from mmvad.models.text_encoder import TextEncoder, weights_hash
from mmvad.runs import RunFolder
from mmvad.system.device import Device, training_device
from mmvad.training.build import Widths, build_text


@dataclass(frozen=True)
class Prepared:
    """What a configuration resolves to before anything is trained."""

    config: Config
    bank: Bank
    benchmark: Benchmark
    encoder: TextEncoder | None
    device: Device
    text_hash: str | None
    identity: str

    @property
    def folder(self) -> RunFolder:
        return RunFolder(self.config.runtime.results / run_name(self.config, self.identity))


def other_texts(prepared: Prepared) -> str | None:
    """That texts and pictures are of different models, in words with the right one; None where nothing says so."""
    extraction = prepared.bank.manifest.get("how", {}).get("extraction")
    if prepared.encoder is None or not extraction:
        return None
    visual, text = extraction["visual"], prepared.config.model.text
    model, weights = model_of(visual["network"]), visual["weights"]
    if model is None or (model == text.architecture and not {weights, text.weights} <= {*published_tags(model)}):
        return None
    if (model, weights) == (text.architecture, text.weights):
        return None
    return (
        f"the bank's pictures are of {model} ({weights}), the texts of {text.architecture} ({text.weights}): they do "
        f"not share a space; fix: --model.text.architecture={model} --model.text.weights={weights}"
    )


def prepare(config: Config) -> Prepared:
    """Opens the bank, loads the text weights, chooses the device; the run's identity follows. Raises UserError."""
    bank, benchmark = bank_of(config), benchmark_named(config.benchmark)
    runtime = config.runtime
    device = training_device(runtime.device, runtime.precision, runtime.threads)
    encoder = build_text(config, Widths.of(bank))
    text_hash = weights_hash(encoder) if encoder else None
    identity = run_identity(config, bank.content_hash, text_hash, device.precision)
    return Prepared(config, bank, benchmark, encoder, device, text_hash, identity)
