"""A trained run, ready to score any video: loaded from its run folder alone, without its bank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmvad.bank.bank import BankVideo, SplitBank, open_bank
from mmvad.benchmarks.benchmark import Benchmark
from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.config.identity import run_identity
from mmvad.config.schema import Config
from mmvad.data.datamodule import ScoringSet
from mmvad.data.look_ahead import span_of
from mmvad.data.splits import Serving, chunk_samples
from mmvad.errors import UserError
from mmvad.metrics.postprocessing import averaged, smoothed
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.models.text_encoder import weights_hash
from mmvad.predict.scorer import check_width, chosen_overlap, made_by, scored_crops, sound_note
from mmvad.predict.sources import Source
from mmvad.releases.arrays.normalise import Normalise, normalised
from mmvad.runs import RunFolder, read_manifest, run_config, run_folder_of
from mmvad.system.device import Device, training_device
from mmvad.tables.scored import Truths
from mmvad.training.build import Widths, build_text
from mmvad.training.checkpoints import chosen_checkpoint, read_checkpoint
from mmvad.training.module import AnomalyModule
from mmvad.training.train import score


@dataclass(frozen=True)
class TrainedRun:
    """A run's network with its weights, and what features it was trained on.

    Attributes:
        checkpoint: the file that the weights came from.
        extraction: how the bank's features were made; None where the bank does not say.
        bank: where the bank lay when the run was made.
        unfinished: the epoch of the weights, in words, where the run is not finished; else None.
        normalise: what was done to every row when the bank was made.
    """

    folder: RunFolder
    checkpoint: Path
    config: Config
    benchmark: Benchmark
    widths: Widths
    identity: str
    module: AnomalyModule
    device: Device
    extraction: dict[str, Any] | None
    bank: Path
    unfinished: str | None
    normalise: Normalise = "none"

    @property
    def uses_audio(self) -> bool:
        """Whether sound changes its scores."""
        return self.config.uses_audio and self.widths.audio > 0

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def weights(self) -> str:
        return self.checkpoint.name

    @property
    def made_by(self) -> str:
        return made_by(self.name, self.weights, self.config.select, several=self.config.uses_text)

    def overlap(self, wanted: int | None) -> int:
        """How many snippets chunks share: as many as wanted, or as in the run's test. Raises UserError for too many."""
        return chosen_overlap(wanted, self.config.data.segment_length, self.config.data.chunk_overlap)

    def score(self, source: Source, overlap: int | None = None) -> ScoredVideo:
        """The scores of one video; chunks share `overlap` snippets, by default as many as the run was tested with.

        Raises UserError for features of another width than the run's.
        """
        data, span = self.config.data, span_of(self.config)._replace(overlap=self.overlap(overlap))
        split = self._split(source)
        sound = "optional" if self.uses_audio else "none"
        how = Serving(data.segment_length, sound, self.device.torch, how=data.segments, test_span=data.test_span)
        by_crop = []
        for crop in split.videos[0].crops:
            samples, parts = chunk_samples(split, split.videos, self.benchmark, how, crop, span)
            by_crop.append(score(self.module, ScoringSet(split.videos, samples, parts, span), self.device))
        (video,) = smoothed(averaged(by_crop), self.config.quirks.smoothing)
        return video

    def note(self, source: Source) -> tuple[str, ...]:
        """What a reader of the scores must know of how they came about."""
        unfinished = (self.unfinished,) if self.unfinished else ()
        return (*unfinished, *sound_note(source, uses_audio=self.uses_audio))

    def truths(self) -> dict[str, BankVideo]:
        """The run's test videos, which know their truth, by name, if the bank is where it was."""
        try:
            videos = Truths().of(read_manifest(self.folder)["bank"]["content_hash"], str(self.bank))
        except UserError:
            return {}
        return {video.name: video for video in videos}

    def _split(self, source: Source) -> SplitBank:
        """The one video as a bank's split, in memory. Nothing of its label is known, and nothing is asked."""
        crops = scored_crops(source.crops, self.config.data.test_crop, every=self.config.quirks.all_crops)
        visual = normalised(np.concatenate([source.crops[crop] for crop in crops]), self.normalise)
        check_width(source.name, "visual", visual.shape[1], self.widths.visual)
        audio = np.zeros((0, self.widths.audio), dtype=np.float32)
        if self.uses_audio and source.audio is not None:
            check_width(source.name, "audio", source.audio.shape[1], self.widths.audio)
            audio = normalised(source.audio, self.normalise)
        audio_start = 0 if len(audio) else None
        snippets = len(visual) // len(crops)
        video = BankVideo(source.name, (self.benchmark.normal,), snippets, crops, 0, audio_start, (), ())
        return SplitBank((video,), visual, audio)


def load_run(path: Path, overrides: Sequence[str] = ()) -> TrainedRun:
    """The run of a run folder, or of a checkpoint file in one.

    Args:
        overrides: keys that do not change the run, such as `runtime.device=cpu`, or `model.text.weights=PATH` where the
            text weights lie elsewhere now.

    Raises UserError for what is no run, and where configuration, checkpoint and text weights are not of one run.
    """
    folder = run_folder_of(path)
    config = run_config(folder, overrides)
    manifest = read_manifest(folder)
    benchmark, widths = benchmark_named(config.benchmark), _widths(folder, manifest)
    encoder = build_text(config, widths)
    text_hash = weights_hash(encoder) if encoder else None
    identity = run_identity(config, manifest["bank"]["content_hash"], text_hash, manifest["precision"])
    if identity != manifest["identity"]:
        raise UserError(
            folder.path,
            f"configuration or text weights are not the run's (identity {identity[:12]})",
            expected=f"identity {manifest['identity'][:12]}",
            fix="give the run's own text weights (--model.text.weights), and change only runtime.* keys",
        )
    checkpoint = path if path.is_file() else chosen_checkpoint(config, folder)
    content = read_checkpoint(checkpoint, identity)
    module = AnomalyModule(config, widths, encoder)
    module.load_weights(content["state_dict"])
    bank, runtime = manifest["bank"], config.runtime
    device = training_device(runtime.device, runtime.precision, runtime.threads)
    return TrainedRun(
        folder,
        checkpoint,
        config,
        benchmark,
        widths,
        identity,
        module,
        device,
        bank.get("extraction"),
        Path(bank["path"]),
        None if folder.finished else _unfinished(config, content),
        bank.get("normalise", "none"),
    )


def _unfinished(config: Config, checkpoint: dict[str, Any]) -> str:
    return f"epoch {checkpoint['mmvad']['epoch'] + 1} of {config.optim.epochs}; the run is not finished"


def _widths(folder: RunFolder, manifest: dict[str, Any]) -> Widths:
    """The features' widths as the run keeps them; an older run's from its bank."""
    bank = manifest["bank"]
    if "widths" in bank:
        return Widths(**bank["widths"])
    try:
        return Widths.of(open_bank(bank["path"]))
    except UserError as error:
        raise UserError(
            folder.manifest,
            f"does not say how wide the run's features are, and its bank is not at {bank['path']}",
            expected="a run of this version, or its bank where it was",
            fix="train the configuration again",
        ) from error
