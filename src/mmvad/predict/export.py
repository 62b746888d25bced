"""`mmvad export`: a run's network as a folder that scores videos without torch.

The exported network is held against torch's before anything is written, and `model.json` comes last.
"""

from __future__ import annotations

import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from mmvad import __version__
from mmvad.errors import UserError
from mmvad.metrics.measures import HELD_OUT, USE
from mmvad.models.text_encoder import weights_hash
from mmvad.predict.exported import as_fed, onnx_network
from mmvad.predict.model_file import (
    CARD,
    EXPECTED,
    FORMAT,
    MODEL,
    NETWORK,
    Checked,
    Chunks,
    File,
    ModelFile,
    NetworkFile,
    Rows,
    Run,
    Texts,
    hash_of,
)
from mmvad.predict.online import ChunkRows
from mmvad.predict.onnx_graph import OPSET, ChunkScores, Graph, example, export_graph
from mmvad.predict.trained import TrainedRun, load_run
from mmvad.runs import read_report, write_json
from mmvad.system.disk import disk_errors, sole_writer, write_whole
from mmvad.training.build import build_text

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
LENGTHS = (1, 2, 7, 31, 200)
TOLERANCE = 1e-4


def export_run(path: Path, out: Path, overrides: tuple[str, ...] = ()) -> ModelFile:
    """Writes the run's model to a folder: model.onnx, card.md, model.json; gives what the last one says.

    Raises UserError for what is no run or has no checkpoint, a network that has no graph or gives other scores than
    torch's, a folder that holds something else, and where the packages are not installed.
    """
    _require_packages()
    _require_room(out)
    run = load_run(path, [*overrides, "runtime.device=cpu"])
    run.module.eval()
    chunks = _chunks(run)
    longest = chunks.segments or chunks.length
    graph = export_graph(run.module.model, _widths(run), len(run.benchmark.classes), longest)
    with tempfile.TemporaryDirectory() as folder:
        network = Path(folder) / NETWORK
        network.write_bytes(graph.content)
        file = NetworkFile(
            file=NETWORK, sha256=hash_of(network), opset=OPSET, inputs=graph.inputs, outputs=graph.outputs
        )
        checked = _checked(run, network, file, chunks, longest)
    return _write(run, out, graph, file, chunks, checked)


def _require_packages() -> None:
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        problem = f"exporting needs packages that are not installed: {', '.join(missing)}"
        raise UserError("mmvad", problem, fix="pip install 'mmvad[onnx]', or make in a clone")


def _require_room(out: Path) -> None:
    """Raises UserError for a place that holds something else than an exported model."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / NETWORK).is_file()):
        problem = "is a file" if out.is_file() else "holds something else"
        raise UserError(out, problem, expected=f"a new folder, or {EXPECTED}", fix="give another --out")


def _widths(run: TrainedRun) -> tuple[int, int | None]:
    return run.widths.visual, run.widths.audio if run.uses_audio else None


def _chunks(run: TrainedRun) -> Chunks:
    data, quirks = run.config.data, run.config.quirks
    return Chunks(
        length=data.segment_length if data.test_span == "chunks" else None,
        overlap=data.chunk_overlap if data.test_span == "chunks" else 0,
        look_ahead=data.look_ahead,
        segments=data.segment_length if data.test_span == "segments" else None,
        how=data.segments,
        crop=data.test_crop,
        all_crops=quirks.all_crops,
        smoothing=quirks.smoothing,
    )


def _checked(run: TrainedRun, path: Path, file: NetworkFile, chunks: Chunks, longest: int | None) -> Checked:
    """The network of the file against torch's. Raises UserError where they differ."""
    network, torchs = onnx_network(path, file, chunks), ChunkScores(run.module.model, len(run.benchmark.classes)).eval()
    lengths = sorted({min(n, longest or n) for n in (*LENGTHS, longest or 1)})
    worst = 0.0
    for rows in lengths:
        for sound in (True, False) if run.uses_audio else (False,):
            inputs = example(rows, _widths(run), seed=rows, sound=sound)
            with torch.inference_mode():
                wanted, again = (torchs(**_as_fed(inputs, chunks)) for _ in range(2))
            if any(not torch.equal(a, b) for a, b in zip(wanted, again, strict=True)):
                problem = "scores the same rows otherwise each time, by chance: there is nothing to export"
                raise UserError(run.config.model.name, problem)
            given = ChunkRows(inputs["visual"].numpy(), inputs["audio"].numpy() if sound else None)
            ((coarse, classes),) = network([given])
            found = [each for each in (coarse, classes) if each is not None]
            worst = max(worst, *(float(np.abs(a - b.numpy()).max()) for a, b in zip(found, wanted, strict=True)))
        if not worst <= TOLERANCE:
            problem = f"the exported network's scores of {rows} rows are {worst:.2g} away from torch's"
            fix = "predict with the run itself: mmvad predict --checkpoint RUN"
            raise UserError(run.config.model.name, problem, expected=f"at most {TOLERANCE}", fix=fix)
    return Checked(lengths=tuple(lengths), largest_difference=worst)


def _as_fed(inputs: dict[str, torch.Tensor], chunks: Chunks) -> dict[str, torch.Tensor]:
    return {
        name: x if name == "has_audio" else torch.from_numpy(as_fed(x.numpy(), chunks)) for name, x in inputs.items()
    }


def _write(run: TrainedRun, out: Path, graph: Graph, file: NetworkFile, chunks: Chunks, checked: Checked) -> ModelFile:
    card = run.folder.card
    with sole_writer(out.resolve()):
        with disk_errors(out):
            out.mkdir(parents=True, exist_ok=True)
            (out / MODEL).unlink(missing_ok=True)  # what is half written is no model
            (out / CARD).unlink(missing_ok=True)
        write_whole(out / NETWORK, graph.content)
        if card.is_file():
            with disk_errors(out / CARD):
                shutil.copyfile(card, out / CARD)
        model = ModelFile(
            format=FORMAT,
            made_by=f"mmvad {__version__}",
            run=_run(run),
            benchmark=run.benchmark.facts,
            rows=Rows(
                visual_width=run.widths.visual,
                audio_width=run.widths.audio if run.uses_audio else 0,
                normalise=run.normalise,
                extraction=run.extraction,
            ),
            chunks=chunks,
            texts=_texts(run, inside=graph.text_tower),
            thresholds=_thresholds(run),
            network=file,
            card=File(file=CARD, sha256=hash_of(card)) if card.is_file() else None,
            checked=checked,
        )
        write_json(out / MODEL, model.model_dump(mode="json"))
    return model


def _run(run: TrainedRun) -> Run:
    return Run(
        name=run.name,
        identity=run.identity,
        checkpoint=run.weights,
        select=run.config.select,
        model=run.config.model.name,
        modalities=run.config.modalities,
        unfinished=run.unfinished,
    )


def _texts(run: TrainedRun, *, inside: bool) -> Texts | None:
    encoder, text = build_text(run.config, run.widths), run.config.model.text
    if encoder is None:
        return None
    return Texts(
        prompts=tuple(c.prompt for c in run.benchmark.classes),
        architecture=text.architecture,
        weights=Path(text.weights).name,
        sha256=weights_hash(encoder),
        inside=inside,
    )


def _thresholds(run: TrainedRun) -> dict[str, float]:
    figures = read_report(run.folder).get(USE, {}) if run.folder.finished else {}
    return {score: own[HELD_OUT] for score, own in figures.items() if own.get(HELD_OUT) is not None}
