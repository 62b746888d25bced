"""One configuration in, one run folder out: train, choose a checkpoint, test, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger

from mmvad.bank.bank import Bank
from mmvad.config.load import dump, plain
from mmvad.config.schema import CHOSEN, Config
from mmvad.data.datamodule import FeatureDataModule, ScoringSet
from mmvad.errors import UserError
from mmvad.figures.run_figures import draw_figures
from mmvad.metrics.held_out import held_out_thresholds
from mmvad.metrics.postprocessing import averaged, smoothed
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.models.model import trainable_parameters
from mmvad.models.outside import changed_code, is_outside, outside
from mmvad.runs import RunFolder, crop_scores, read_manifest, write_json, write_scores
from mmvad.system.device import Device
from mmvad.system.disk import disk_errors, sole_writer, write_whole
from mmvad.system.log import LOG, log_to
from mmvad.training.alike import take_weights, trained_alike
from mmvad.training.audit_scores import AuditScores, write_audited
from mmvad.training.build import Widths
from mmvad.training.card import write_card
from mmvad.training.checkpoints import LAST, RunCheckpoints, chosen_checkpoint, read_checkpoint
from mmvad.training.evaluator import Evaluator
from mmvad.training.history import EpochHistory
from mmvad.training.module import AnomalyModule
from mmvad.training.prepare import Prepared, other_texts, prepare
from mmvad.training.provenance import provenance
from mmvad.training.run_report import make_report
from mmvad.training.scoring import ChunkScores, join_chunks
from mmvad.training.tracking import end_wandb_run, log_finished_run, log_report, run_loggers
from mmvad.training.trainer import interrupts_pass, make_trainer

Watch = Callable[[int, dict[str, float]], None]
"""Called after each epoch with its number (from 0) and all its figures; what it raises ends the training."""


def train(config: Config, watch: Watch | None = None) -> RunFolder:
    """Trains, tests and reports. A finished run is left as it is; a killed one goes on from its last checkpoint.

    Raises UserError for what is not to be trained: public weights.
    """
    if config.published_weights:
        problem = f"{config.published_weights!r}: weights of others are tested, not trained"
        raise UserError("published_weights", problem, fix="leave the key out, or `mmvad import-weights`")
    prepared = prepare(config)
    folder = prepared.folder
    if folder.finished:
        LOG.info(f"{folder.path}: done before; nothing to do")
        warn_of_changed_code(config, folder)
        log_finished_run(config.runtime.wandb, folder, plain(config))
        return folder
    data, module = assemble(prepared)  # refuses what does not fit before anything is written
    with sole_writer(folder.path), log_to(folder.log):
        if not folder.finished:  # another process may have ended it while this one waited for torch
            try:
                _train(prepared, data, module, watch)
            finally:
                end_wandb_run()
    return folder


def warn_of_changed_code(config: Config, folder: RunFolder) -> None:
    """Says so where a run's model is from outside and its file is not what it was: no name and no setting tells it."""
    manifest = read_manifest(folder) if folder.manifest.is_file() else {}
    if changed := changed_code(config.model.name, manifest):
        LOG.warning(f"warning: {folder.path}: {changed}")


def _train(prepared: Prepared, data: FeatureDataModule, module: AnomalyModule, watch: Watch | None) -> None:
    config, folder = prepared.config, prepared.folder
    warn_of_changed_code(config, folder)
    started = datetime.now(UTC)
    clock = time.monotonic()
    with disk_errors(folder.path):
        folder.path.mkdir(parents=True, exist_ok=True)
    write_whole(folder.config, dump(config).encode())
    manifest: dict[str, Any] = {**manifest_of(prepared), "started": started.isoformat()}
    write_json(folder.manifest, manifest)
    say_what(prepared, folder)
    loggers = run_loggers(config, folder, prepared.identity)
    alike = trained_alike(prepared)
    taken = take_weights(prepared, alike) if alike else None
    if taken:
        told, best_epoch = taken
    else:
        best_epoch = fit(prepared, data, module, loggers, watch).best_epoch
        told = {"train_seconds": time.monotonic() - clock, "compiled": module.compiled}
    log_report(finish_run(prepared, folder, data, module, manifest | told, best_epoch), loggers)


def finish_run(
    prepared: Prepared,
    folder: RunFolder,
    data: FeatureDataModule,
    module: AnomalyModule,
    manifest: dict[str, Any],
    best_epoch: int | None,
) -> dict[str, Any]:
    """The report of the test under the folder's checkpoint. Scores, figures and manifest are written, the report last.

    Args:
        manifest: what is noted of how the run came about; times of the test are added.
        best_epoch: as `make_report` takes it.
    """
    config, clock = prepared.config, time.monotonic()
    videos = test(prepared, data, module, chosen_checkpoint(config, folder))
    manifest = {**manifest, "test_seconds": time.monotonic() - clock}
    if config.runtime.audit and _has_several_crops(prepared.bank):
        by_crop = [score(module, scored, prepared.device) for scored in data.crop_sets]
        write_audited(crop_scores(folder), averaged(by_crop))
    thresholds = thresholds_of(prepared, data, module)
    report = make_report(prepared, videos, trainable_parameters(module), best_epoch, thresholds)
    write_scores(folder.scores, videos)
    if config.runtime.figures:
        draw_figures(folder.figures, prepared.benchmark, videos, CHOSEN.get(config.select))
    write_card(folder, prepared, report, videos, manifest)
    write_json(folder.manifest, {**manifest, "finished": datetime.now(UTC).isoformat()})
    write_json(folder.report, report)
    return report


def _has_several_crops(bank: Bank) -> bool:
    """Whether all test videos have the same crops, more than one."""
    crops = {video.crops for video in bank.test.videos}
    return len(crops) == 1 and len(next(iter(crops))) > 1


def assemble(prepared: Prepared) -> tuple[FeatureDataModule, AnomalyModule]:
    """The data and the untrained network, its weights drawn from the run's seed. Refuses a bank that does not fit."""
    config = prepared.config
    data = FeatureDataModule(config, prepared.bank, prepared.device.torch)
    for stage in ("validate", "test"):
        data.setup(stage)
    lightning.seed_everything(config.seed, verbose=False)
    return data, AnomalyModule(config, Widths.of(prepared.bank), prepared.encoder)


def fit(
    prepared: Prepared,
    data: FeatureDataModule,
    module: AnomalyModule,
    loggers: Sequence[Logger] = (),
    watch: Watch | None = None,
) -> RunCheckpoints:
    """Trains to the last epoch, from the last checkpoint where there is one."""
    config, folder, evaluator = prepared.config, prepared.folder, Evaluator(data)
    monitor = evaluator.name if data.selection_sets and config.select != "last" else None
    every, reload = config.runtime.checkpoint_every, config.quirks.reload_best
    checkpoints = RunCheckpoints(folder.checkpoints, prepared.identity, every, monitor, reload=reload)
    trainer = make_trainer(
        prepared.device,
        max_epochs=config.optim.epochs,
        callbacks=[
            evaluator,
            *([AuditScores(data, folder)] if config.runtime.audit else []),
            EpochHistory(folder.epochs),
            checkpoints,
            *([_Watching(watch)] if watch else []),
        ],
        logger=list(loggers),
        gradient_clip_val=config.optim.gradient_clip or None,
    )
    last = folder.checkpoints / LAST
    if last.is_file():
        epoch = read_checkpoint(last, prepared.identity)["mmvad"]["epoch"]
        LOG.info(f"resuming from {last} (after epoch {epoch + 1})")
    with interrupts_pass():
        trainer.fit(module, data, ckpt_path=last if last.is_file() else None, weights_only=True)
    return checkpoints


class _Watching(Callback):
    """Hands every epoch's figures to a function."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.watch(trainer.current_epoch, {name: float(value) for name, value in trainer.callback_metrics.items()})


def test(prepared: Prepared, data: FeatureDataModule, module: AnomalyModule, checkpoint: Path) -> list[ScoredVideo]:
    """Scores of every test video under a checkpoint's weights."""
    module.load_weights(read_checkpoint(checkpoint, prepared.identity)["state_dict"])
    by_crop = [score(module, scored, prepared.device) for scored in data.test_sets]
    return smoothed(averaged(by_crop), prepared.config.quirks.smoothing)


def thresholds_of(prepared: Prepared, data: FeatureDataModule, module: AnomalyModule) -> dict[str, float]:
    """By score, the thresholds that held-out training videos give under the module's weights; empty without such."""
    if data.validation_as_tested is None:
        return {}
    videos = smoothed(score(module, data.validation_as_tested, prepared.device), prepared.config.quirks.smoothing)
    return held_out_thresholds(prepared.benchmark, videos)


def score(module: AnomalyModule, scored: ScoringSet, device: Device) -> list[ScoredVideo]:
    """Scores of a set's videos under the weights that the module has."""
    trainer = make_trainer(device, logger=False)
    with interrupts_pass():
        batches = cast(list[ChunkScores], trainer.predict(module, scored.loader(), ckpt_path=None))
    return join_chunks(batches, scored)


def manifest_of(prepared: Prepared) -> dict[str, Any]:
    """What a run notes of how it is made: identity, bank, machine, versions."""
    name, how = prepared.config.model.name, prepared.bank.manifest.get("how", {})
    return {
        "identity": prepared.identity,
        "bank": {
            "path": str(prepared.bank.path),
            "content_hash": prepared.bank.content_hash,
            "widths": Widths.of(prepared.bank)._asdict(),
            "extraction": how.get("extraction"),
            **({"normalise": how["normalise"]} if "normalise" in how else {}),
        },
        **({"benchmark": prepared.benchmark.facts} if prepared.benchmark.own else {}),
        **provenance(prepared.device),
        **({"code": outside(name).code} if is_outside(name) else {}),
    }


def say_what(prepared: Prepared, folder: RunFolder) -> None:
    """Logs what was chosen: folder, device, bank, policy."""
    config, bank = prepared.config, prepared.bank
    LOG.info(f"run      {folder.path}")
    LOG.info(f"device   {prepared.device.reason}, {torch.get_num_threads()} CPU threads")
    LOG.info(
        f"bank     {bank.path} ({bank.content_hash[:12]}): {len(bank.train.videos)} training, "
        f"{len(bank.test.videos)} test videos of {prepared.benchmark.title}"
    )
    if told := other_texts(prepared):
        LOG.warning(f"warning: {told}")
    LOG.info(f"select   {config.select}" + (" (chosen on the test set)" if config.select == "best_test" else ""))
