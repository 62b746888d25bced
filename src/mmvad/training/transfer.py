"""`mmvad test RUN --bank OTHER`: a finished run on the test set of another bank, be it of another benchmark.

Frame metrics need no class and are always there. mAP is over the classes that the two benchmarks share: those that are
alike, those that a file maps, or all, where the network reads class names and is given the other benchmark's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning

from mmvad.bank.bank import Bank, open_bank
from mmvad.benchmarks.benchmark import Benchmark
from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.config.identity import run_identity
from mmvad.config.schema import Config
from mmvad.data.datamodule import FeatureDataModule
from mmvad.data.opening import made_for
from mmvad.errors import UserError
from mmvad.metrics.measures import thresholds_in
from mmvad.metrics.postprocessing import averaged, smoothed
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.models.text_encoder import weights_hash
from mmvad.runs import RunFolder, read_manifest, read_report, require_finished, run_config, write_json
from mmvad.system.device import Device, training_device
from mmvad.training.build import Widths, build_text
from mmvad.training.checkpoints import chosen_checkpoint, read_checkpoint
from mmvad.training.class_map import ClassMap, alike_classes, read_class_map
from mmvad.training.module import AnomalyModule
from mmvad.training.target import Target, figures
from mmvad.training.train import score


@dataclass(frozen=True)
class Transferred:
    """What came out: the figures, and the file that has them."""

    report: dict[str, Any]
    path: Path


def transfer(
    path: Path,
    bank: Path,
    overrides: Sequence[str] = (),
    checkpoint: Path | None = None,
    *,
    classes: Path | None = None,
    open_vocabulary: bool = False,
) -> Transferred:
    """Tests a run on another bank's test split; leaves `tests/BENCHMARK-HASH.json` in its folder and nothing else.

    Args:
        overrides: keys over the run's, such as `data.test_crop=0`.
        classes: a YAML file: class of the other benchmark, then the run's class or classes.
        open_vocabulary: give the network the other benchmark's class names.

    Raises UserError for what is no finished run, a bank of other widths or without the sound that the run reads, and
    for class names that the network does not read.
    """
    folder = RunFolder(path)
    require_finished(folder)
    config, source = run_config(folder), _benchmark_of(run_config(folder))
    target = _target(folder, source, open_bank(bank), overrides, classes, open_vocabulary)
    runtime = target.config.runtime
    device = training_device(runtime.device, runtime.precision, runtime.threads)
    file = checkpoint or chosen_checkpoint(config, folder)
    module = _module(folder, config, target, file)
    scored = _scored(module, target, source, device)
    report = _report(folder, source, target, scored)
    name = f"{target.benchmark.name}-{target.bank.content_hash[:12]}{'-open' if open_vocabulary else ''}.json"
    out = folder.tests / name
    out.parent.mkdir(exist_ok=True)
    write_json(out, report)
    return Transferred(report, out)


def _benchmark_of(config: Config) -> Benchmark:
    return benchmark_named(config.benchmark)


def _benchmark_in(bank: Bank) -> Benchmark:
    """The bank's benchmark. Raises UserError where the run's is another one of that name."""
    other, made = benchmark_named(bank.benchmark), made_for(bank)
    if made and tuple(made.classes) != other.class_keys:
        problem = f"is of another {other.name}, with the classes {', '.join(made.classes)}"
        expected = f"{', '.join(other.class_keys)}, as the run's {other.name} has"
        fix = "give one of the two benchmarks another name, with `name:` in its file, and import it again"
        raise UserError(bank.path, problem, expected=expected, fix=fix)
    return other


def _target(
    folder: RunFolder,
    source: Benchmark,
    bank: Bank,
    overrides: Sequence[str],
    classes: Path | None,
    open_vocabulary: bool,
) -> Target:
    other = _benchmark_in(bank)
    own = run_config(folder)
    if open_vocabulary and not own.uses_text:
        problem = "the network reads no class names"
        raise UserError("--open-vocabulary", problem, expected=f"a run with T (this one is {own.modalities})")
    if open_vocabulary and classes:
        raise UserError("--classes", "says nothing with --open-vocabulary", fix="leave one of them out")
    said = [f"data.bank={bank.path}"]
    if other.name != source.name:
        audio = other.audio if own.uses_audio and other.audio != "none" else own.data.audio
        said += [f"data.test_crop={other.test_crop}", f"data.audio={audio}"]
        said += [f"benchmark={other.name}"] if open_vocabulary else []
    config = run_config(folder, [*said, *overrides])
    _check_fits(config, bank, _widths(folder))
    if open_vocabulary:
        kept: ClassMap = {key: (key,) for key in other.class_keys}
    else:
        kept = read_class_map(classes, source, other) if classes else alike_classes(source, other)
    return Target(bank, other, config, kept, open_vocabulary)


def _widths(folder: RunFolder) -> Widths:
    """Of the features that the run was trained on. Raises UserError for a manifest that does not say them."""
    bank = read_manifest(folder)["bank"]
    if "widths" not in bank:
        fix = "`mmvad test` the run on its own bank still works; train it again to test it elsewhere"
        raise UserError(folder.manifest, "says not how wide the run's features are", fix=fix)
    return Widths(**bank["widths"])


def _check_fits(config: Config, bank: Bank, widths: Widths) -> None:
    found = Widths(bank.test.visual_width, bank.test.audio_width)
    if found.visual != widths.visual:
        expected = f"{widths.visual}, as the run was trained with"
        raise UserError(bank.path, f"picture features of {found.visual} columns", expected=expected)
    if config.uses_audio and found.audio != widths.audio:
        what = f"sound features of {found.audio} columns" if found.audio else "no sound in the test split"
        fix = "train a run without A (modalities=v or vt) for this bank"
        raise UserError(bank.path, what, expected=f"{widths.audio} columns of sound, which the run reads", fix=fix)


def _module(folder: RunFolder, config: Config, target: Target, file: Path) -> AnomalyModule:
    """The network with a checkpoint's weights; its classes are the run's own, or the target's."""
    report, widths = read_report(folder), _widths(folder)
    encoder = build_text(config, widths)
    text_hash = weights_hash(encoder) if encoder else None
    identity = read_manifest(folder)["identity"]
    if run_identity(config, report["bank_hash"], text_hash, report["precision"]) != identity:
        fix = "give the run's own text weights: model.text.weights in its config.yaml"
        raise UserError(folder.path, "the text weights are not those that the run was trained with", fix=fix)
    lightning.seed_everything(config.seed, verbose=False)
    module = AnomalyModule(target.config if target.open_vocabulary else config, widths, encoder)
    weights = read_checkpoint(file, identity)["state_dict"]
    try:
        module.load_weights(weights)
    except UserError as error:
        if not target.open_vocabulary:
            raise
        problem = f"{config.model.name} learns weights for each class: other class names do not fit them"
        raise UserError("--open-vocabulary", problem, fix="map classes with --classes MAP.yaml") from error
    return module


def _scored(module: AnomalyModule, target: Target, source: Benchmark, device: Device) -> list[ScoredVideo]:
    """The test videos with the target's truth, and with class probabilities of the network's own classes."""
    bank = target.bank
    if not target.open_vocabulary and target.benchmark.name != source.name:
        # what a video shows is not asked for when it is scored, and its classes may be none of the network's
        unlabelled = tuple(replace(v, labels=(source.normal,), events=()) for v in bank.test.videos)
        bank = replace(bank, test=replace(bank.test, videos=unlabelled))
    data = FeatureDataModule(target.config, bank, device.torch)
    by_crop = [score(module, scored, device) for scored in data.test_sets]
    truth = {video.name: video for video in target.bank.test.videos}
    videos = smoothed(averaged(by_crop), target.config.quirks.smoothing)
    return [replace(v, labels=truth[v.name].labels, events=truth[v.name].events) for v in videos]


def _report(folder: RunFolder, source: Benchmark, target: Target, videos: Sequence[ScoredVideo]) -> dict[str, Any]:
    report, other = read_report(folder), target.benchmark
    named = other if target.open_vocabulary else source
    return {
        "source": {"identity": report["identity"], "benchmark": source.name, "bank_hash": report["bank_hash"]},
        "target": {"benchmark": other.name, "bank_hash": target.bank.content_hash, "headline": other.headline},
        "classes": {key: list(own) for key, own in target.classes.items()},
        "open_vocabulary": target.open_vocabulary,
        "notes": _unlike(report, read_manifest(folder)["bank"], target.bank),
        **figures(target, named, videos, thresholds_in(report)),
    }


def _unlike(report: Mapping[str, Any], trained_on: Mapping[str, Any], bank: Bank) -> list[str]:
    """In what the features are others than the run's: equal widths do not make them alike."""
    pairs = (
        ("features", str(report.get("features", "CLIP")), bank.features),
        ("scaling of rows", trained_on.get("normalise", "none"), bank.manifest.get("how", {}).get("normalise", "none")),
    )
    return [
        f"{what}: {here} here, {there} where the run was trained: its figures say little"
        for what, there, here in pairs
        if here != there
    ]
