"""One video after the other: score it, find its events, write its folder of results.

OUT/<video>/scores.csv, events.csv    OUT/<video>/curves.png    OUT/<video>/page.html (--html)
OUT/<video>/prediction.json           all of it; written last: when it is there, the video is done
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmvad.errors import UserError
from mmvad.figures.strip import Shot, shots_of
from mmvad.metrics.evaluate import frame_scores
from mmvad.metrics.frame import require_finite
from mmvad.predict.events import detect_events
from mmvad.predict.page import write_page
from mmvad.predict.picture import SHOTS, draw_prediction, truth_spans
from mmvad.predict.prediction import Prediction, TrueEvent
from mmvad.predict.scorer import Scorer
from mmvad.predict.sources import Request, Source
from mmvad.predict.tables import as_plain, events_csv, scores_csv
from mmvad.predict.truth import bank_truth, read_truth, truth_file
from mmvad.runs import write_json
from mmvad.system.disk import disk_errors, write_whole
from mmvad.system.log import LOG

RESULT = "prediction.json"


@dataclass(frozen=True)
class OutputOptions:
    """What the user wants of every video.

    Attributes:
        out: the folder of the results, one folder a video in it.
        html: a page beside the picture.
        truth: a file of the one video's truth, or a folder with NAME.csv; None to ask the run's bank, if it is here.
        every_run: all runs of the protocol as events, not only those that win somewhere.
        overlap: snippets that chunks share; None as the run was tested.
        notes: what every result must say, such as features made otherwise.
        fps: the frame rate that the user gives feature files.
        extraction: `Extractor.describe()`; None for feature files.
    """

    out: Path
    html: bool = False
    truth: Path | None = None
    every_run: bool = False
    overlap: int | None = None
    notes: tuple[str, ...] = ()
    fps: float | None = None
    extraction: dict[str, Any] | None = None


class Predictor:
    """Scores videos with a run, or a model exported from one, and writes what was found."""

    def __init__(self, run: Scorer, output: OutputOptions) -> None:
        self.run, self.output = run, output
        self._truths = run.truths() if output.truth is None else {}

    def is_done(self, request: Request) -> bool:
        """Whether these very files were predicted before, with this run and these options."""
        result = self.output.out / request.name / RESULT
        try:
            return json.loads(result.read_text(encoding="utf-8"))["inputs"] == self._inputs(request)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def predict(self, request: Request) -> Prediction:
        """Scores the video and writes its folder. Raises UserError; then no result is there."""
        inputs = self._inputs(request)  # as they are before they are read: what changes meanwhile is done again
        source = request.read()
        prediction = self._prediction(source)
        folder = self.output.out / source.name
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / RESULT).unlink(missing_ok=True)
        write_whole(folder / "scores.csv", scores_csv(prediction).encode())
        write_whole(folder / "events.csv", events_csv(prediction).encode())
        draw_prediction(folder / "curves.png", prediction, _shots(prediction))
        if self.output.html and prediction.media is not None:
            write_page(folder / "page.html", prediction, self.run.made_by)
        run = {"run": self.run.name, "identity": self.run.identity, "checkpoint": self.run.weights}
        content = {**as_plain(prediction), "model": run, "inputs": inputs}
        write_json(folder / RESULT, content)
        return prediction

    def _prediction(self, source: Source) -> Prediction:
        scored = self.run.score(source, self.output.overlap)
        scores = frame_scores([scored])
        for name, values in scores.items():
            require_finite(values, f"{source.name}: {name} score")
        classes = scored.class_probabilities
        benchmark, every = self.run.benchmark, self.output.every_run
        return Prediction(
            name=source.name,
            benchmark=benchmark,
            edges=source.edges,
            scores=scores,
            probabilities=classes,
            events=detect_events(benchmark, source.edges, scores["combined"], classes, every_run=every),
            truth=self._truth(source),
            notes=(*self.output.notes, *source.notes, *self.run.note(source), *self._pageless(source)),
            media=source.media,
        )

    def _pageless(self, source: Source) -> tuple[str, ...]:
        missing = self.output.html and source.media is None
        return (f"no page: the video of {source.name} does not lie beside its features",) if missing else ()

    def _truth(self, source: Source) -> tuple[TrueEvent, ...] | None:
        if self.output.truth is None:
            video = self._truths.get(source.name)
            return None if video is None else bank_truth(video, self.run.benchmark, source.edges)
        file = truth_file(self.output.truth, source.name)
        return None if file is None else read_truth(file, self.run.benchmark)

    def _inputs(self, request: Request) -> dict[str, Any]:
        """What decides a result, as JSON has it: the same again means that nothing is to be done."""
        output, extraction = self.output, self.output.extraction
        truth = None if output.truth is None else truth_file(output.truth, request.name)
        return {
            "files": [_stamp(path) for path in request.files],
            "truth": [str(output.truth) if output.truth else None, _stamp(truth) if truth else None],
            "extraction": extraction and {part: extraction[part] for part in ("visual", "audio")},
            "fps": output.fps,
            "identity": self.run.identity,
            "checkpoint": self.run.weights,
            "html": output.html,
            "every_run": output.every_run,
            "overlap": output.overlap,
            "notes": [*output.notes, *([self.run.unfinished] if self.run.unfinished else [])],
        }


def prediction_line(prediction: Prediction) -> str:
    """A video's result in a line or a few, for the screen."""
    lines = [f"{prediction.name}: {prediction.duration:.1f} s, highest score {prediction.scores['combined'].max():.2f}"]
    for event in prediction.events:
        name = prediction.class_name(event.label)
        lines.append(f"  {event.start:8.1f} to {event.end:8.1f} s  {name}  (peak {event.peak:.2f})")
    lines += [] if prediction.events else ["  no event"]
    lines += [f"  note: {note}" for note in prediction.notes]
    return "\n".join(lines)


def _stamp(path: Path) -> list[Any]:
    """The file's name, size and time of change; the name alone where it is not there."""
    try:
        status = path.stat()
    except OSError:
        return [path.name]
    return [path.name, status.st_size, status.st_mtime_ns]


def _shots(prediction: Prediction) -> list[Shot]:
    """Frames for the picture; where they cannot be had the curves stand alone."""
    if prediction.media is None:
        return []
    spans = None if prediction.truth is None else truth_spans(prediction)
    try:
        return shots_of(prediction.media, prediction.scores["combined"], prediction.edges, spans, SHOTS)
    except UserError as error:
        LOG.warning(f"warning: {error}")
        return []
