"""An exported model, ready to score any video by onnxruntime. No torch here, and none is imported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmvad.bank.index import BankVideo
from mmvad.benchmarks.benchmark import Benchmark
from mmvad.benchmarks.registry import remember
from mmvad.data.segments import to_segments
from mmvad.errors import UserError
from mmvad.metrics.postprocessing import averaged, smoothed
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.predict.model_file import AGAIN, MODEL, NETWORK, Chunks, ModelFile, NetworkFile, read_model_file
from mmvad.predict.online import ChunkRows, Network, scored_rows
from mmvad.predict.scorer import check_width, chosen_overlap, made_by, scored_crops, sound_note
from mmvad.predict.sources import Source
from mmvad.releases.arrays.normalise import normalised


@dataclass(frozen=True)
class ExportedModel:
    """A network with what its `model.json` says; a `Scorer`."""

    folder: Path
    file: ModelFile
    benchmark: Benchmark
    network: Network

    @property
    def name(self) -> str:
        return self.file.run.name

    @property
    def identity(self) -> str:
        return self.file.run.identity

    @property
    def weights(self) -> str:
        return f"{NETWORK} {self.file.network.sha256[:12]}"

    @property
    def extraction(self) -> dict[str, Any] | None:
        return self.file.rows.extraction

    @property
    def unfinished(self) -> str | None:
        return self.file.run.unfinished

    @property
    def uses_audio(self) -> bool:
        return "audio" in self.file.network.inputs

    @property
    def made_by(self) -> str:
        several = len(self.file.network.outputs) > 1
        return made_by(self.name, self.weights, self.file.run.select, several=several)

    def overlap(self, wanted: int | None) -> int:
        """How many snippets chunks share: as many as wanted, or as in the run's test. Raises UserError for too many."""
        chunks = self.file.chunks
        return chunks.overlap if chunks.length is None else chosen_overlap(wanted, chunks.length, chunks.overlap)

    def score(self, source: Source, overlap: int | None = None) -> ScoredVideo:
        """The scores of one video. Raises UserError for features of another width than the run's."""
        chunks, rows = self.file.chunks, self.file.rows
        sound = None
        if self.uses_audio and source.audio is not None:
            check_width(source.name, "audio", source.audio.shape[1], rows.audio_width)
            sound = normalised(source.audio, rows.normalise)
        span, by_crop = chunks.span._replace(overlap=self.overlap(overlap)), []
        for crop in scored_crops(source.crops, chunks.crop, every=chunks.all_crops):
            check_width(source.name, "visual", source.crops[crop].shape[1], rows.visual_width)
            found = scored_rows(self.network, span, normalised(source.crops[crop], rows.normalise), sound)
            by_crop.append([ScoredVideo(source.name, (self.benchmark.normal,), (), (), found.coarse, found.classes)])
        (video,) = smoothed(averaged(by_crop), chunks.smoothing)
        return video

    def note(self, source: Source) -> tuple[str, ...]:
        """What a reader of the scores must know of how they came about."""
        unfinished = (self.unfinished,) if self.unfinished else ()
        return (*unfinished, *sound_note(source, uses_audio=self.uses_audio))

    def truths(self) -> dict[str, BankVideo]:
        """Nothing: a model goes where its bank is not."""
        return {}


def load_model(folder: Path) -> ExportedModel:
    """The model of a folder that `mmvad export` wrote.

    Raises UserError for what is none or damaged, and where onnxruntime is not installed.
    """
    file = read_model_file(folder)
    benchmark = remember(file.benchmark, folder / MODEL, over=True)
    return ExportedModel(folder, file, benchmark, onnx_network(folder / file.network.file, file.network, file.chunks))


def onnx_network(path: Path, network: NetworkFile, chunks: Chunks) -> Network:
    """The network of an ONNX file, chunk by chunk. Raises UserError where it or onnxruntime cannot be had."""
    session = _session(path)

    def fed(chunk: ChunkRows) -> dict[str, np.ndarray]:
        rows = {"visual": chunk.visual}
        if "audio" in network.inputs:
            silence = np.zeros((len(chunk.visual), int(network.inputs["audio"][1])), dtype=np.float32)
            rows["audio"] = silence if chunk.audio is None else chunk.audio
        fed = {name: as_fed(each, chunks) for name, each in rows.items()}
        return fed | ({"has_audio": np.array([chunk.audio is not None])} if "audio" in rows else {})

    def scored(given: Sequence[ChunkRows]) -> list[tuple[np.ndarray | None, np.ndarray | None]]:
        found = []
        for chunk in given:
            scores = dict(zip(network.outputs, session.run(list(network.outputs), fed(chunk)), strict=True))
            found.append((scores.get("coarse"), scores.get("classes")))
        return found

    return scored


def as_fed(rows: np.ndarray, chunks: Chunks) -> np.ndarray:
    """A chunk's rows [n, d] as the network takes them: float32, brought to segments where it takes those."""
    rows = rows if chunks.segments is None else to_segments(rows, chunks.segments, chunks.how)
    return np.ascontiguousarray(rows, dtype=np.float32)


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        fix = "pip install 'mmvad[onnx]', or onnxruntime alone"
        raise UserError("mmvad", "an exported model needs onnxruntime, which is not installed", fix=fix) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its own classes share no base of their own
        raise UserError(path, f"cannot be read by onnxruntime ({type(error).__name__})", fix=AGAIN) from error
