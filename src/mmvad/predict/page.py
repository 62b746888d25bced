"""One page for one video: it plays above its score curve, a click on the curve seeks, class scores on hover.

The page asks nothing of the network. A video of up to 20 MB lies in it; a larger one beside it, under its own name.
"""

from __future__ import annotations

import base64
import html
import json
import mimetypes
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mmvad.errors import UserError
from mmvad.predict.picture import truth_spans
from mmvad.predict.prediction import DetectedEvent, Prediction
from mmvad.system.disk import disk_errors, write_whole

EMBEDDED_BYTES = 20_000_000
DIGITS = 4
_COLUMNS = {
    "class": "",
    "from": "",
    "to": "",
    "peak": "its class's highest probability; without a fine stream the highest combined score",
    "rank": "what the mAP ranks events by: the peak + 0.7 x the mean of the class's highest scores, so up to 1.7",
}
"""Headings of the events' table, and what they mean."""
_LAID = "data-laid"
"""Marks a video that was laid beside its page, and was not there before."""


def write_page(path: Path, prediction: Prediction, made_by: str) -> None:
    """Writes the page. `made_by` says which run and weights gave the scores.

    Raises ValueError without the video itself.
    """
    if prediction.media is None:
        raise ValueError("a page shows the video: prediction.media is None")
    body = [
        f"<h1>{html.escape(prediction.name)}</h1>\n",
        f'<p class="summary">{html.escape(_summary(prediction))}</p>\n',
        *(f'<p class="note" role="note">{html.escape(note)}</p>\n' for note in prediction.notes),
        f'<video controls preload="auto" playsinline {_source(path, prediction.media)}></video>\n',
        '<p class="note" id="unplayable" hidden>This browser cannot play the video (its codec or container); '
        "the curve holds all the same.</p>\n",
        _plot(prediction),
        _event_table(prediction),
        f"<footer><p>{html.escape(made_by)}</p></footer>\n",
        f'<script type="application/json" id="data">{_json(page_data(prediction))}</script>\n',
        f"<script>\n{_asset('page.js')}</script>\n",
    ]
    write_whole(path, _document(prediction.name, "".join(body)).encode(errors="backslashreplace"))
    if not _embedded(prediction.media):
        _lay_beside(path, prediction.media)


def page_data(prediction: Prediction) -> dict[str, Any]:
    """The numbers that the page draws from, as plain values."""
    probabilities = prediction.probabilities
    return {
        "edges": [round(float(second), 3) for second in prediction.edges],
        "scores": {name: _rounded(values) for name, values in prediction.scores.items()},
        "classes": [c.prompt for c in prediction.benchmark.classes],
        "probabilities": None if probabilities is None else [_rounded(row) for row in probabilities],
        "events": [
            {"name": prediction.class_name(e.label), "start": round(e.start, 3), "end": round(e.end, 3)}
            for e in prediction.events
        ],
        "truth": [
            {"start": start, "end": min(end, prediction.duration)}
            for start, end in truth_spans(prediction)
            if start < prediction.duration
        ],
    }


def _embedded(media: Path) -> bool:
    return media.stat().st_size <= EMBEDDED_BYTES


def _source(page: Path, media: Path) -> str:
    """The video element's attributes: a data URI, or the name under which the video lies beside the page.

    Raises UserError where another file has that name: only what was laid there for an earlier page is replaced.
    """
    with disk_errors(page):
        if _embedded(media):
            kind = mimetypes.guess_type(media.name)[0] or "video/mp4"
            return f'src="data:{kind};base64,{base64.b64encode(media.read_bytes()).decode()}"'
        name = f'src="{html.escape(quote(os.fsencode(media.name)))}"'
        target, laid = page.with_name(media.name), _has(page, f"{name} {_LAID}")
        if os.path.lexists(target) and not laid:
            if not (target.exists() and target.samefile(media)):
                fix = "choose another --out, or move that file away"
                raise UserError(target, "is another file, which the page's video would replace", fix=fix)
            return name
        return f"{name} {_LAID}"


def _has(page: Path, words: str) -> bool:
    """Whether an earlier page has these words."""
    try:
        return words in page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def _lay_beside(page: Path, media: Path) -> None:
    """Links the video beside the page, or copies it where the disk knows no links: it is there whole or not at all."""
    target, aside = page.with_name(media.name), page.with_name(".video.partial")
    with disk_errors(target):
        if target.exists() and target.samefile(media):
            return
        aside.unlink(missing_ok=True)
        try:
            if not (_linked(os.link, media, aside) or _linked(os.symlink, media, aside)):
                shutil.copyfile(media, aside)
            os.replace(aside, target)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise


def _linked(link: Callable[[Path, Path], object], media: Path, place: Path) -> bool:
    with suppress(OSError):
        link(media.resolve(), place)
        return True
    return False


def _plot(prediction: Prediction) -> str:
    drawn = [name for name in ("combined", "coarse", "fine") if name in prediction.scores]
    legend = "".join(f'<span><i class="{name}"></i>{name}</span>' for name in drawn)
    legend += '<span><i class="truth"></i>ground truth</span>' if prediction.truth else ""
    return (
        '<div id="plot"><svg id="curve" role="slider" tabindex="0" aria-label="anomaly score over time; seeks" '
        f'aria-valuemin="0" aria-valuemax="{prediction.duration:.2f}"></svg><div id="says" hidden></div></div>\n'
        f'<div id="legend">{legend}<span>a click seeks; arrow keys step a snippet</span></div>\n'
    )


def _event_table(prediction: Prediction) -> str:
    if not prediction.events:
        return "<h2>Events</h2>\n<p>None detected.</p>\n"
    rows = "".join(_event_row(prediction, event) for event in prediction.events)
    head = "".join(f'<th title="{says}">{name}</th>' if says else f"<th>{name}</th>" for name, says in _COLUMNS.items())
    return f"<h2>Events</h2>\n<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table>\n"


def _event_row(prediction: Prediction, event: DetectedEvent) -> str:
    name = html.escape(prediction.class_name(event.label))
    start = f'<button data-second="{event.start:.3f}" title="show it">{event.start:.1f} s</button>'
    return (
        f"<tr><td>{name}</td><td>{start}</td><td>{event.end:.1f} s</td>"
        f"<td>{event.peak:.2f}</td><td>{event.score:.2f}</td></tr>\n"
    )


def _summary(prediction: Prediction) -> str:
    peak = max(float(prediction.scores["combined"].max()), 0.0)
    count = len(prediction.events)
    events = "no event" if not count else "1 event" if count == 1 else f"{count} events"
    length = f"{prediction.duration:.1f} s, {len(prediction.edges) - 1} snippets"
    return f"{length}; {events} detected, highest score {peak:.2f}"


def _document(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # An icon of its own, or the browser asks the network for one.
        '<link rel="icon" href="data:,">\n'
        f"<title>{html.escape(title)}: mmvad</title>\n<style>\n{_asset('page.css')}</style>\n</head>\n"
        f"<body>\n{body}</body>\n</html>\n"
    )


def _asset(name: str) -> str:
    return (files("mmvad.predict") / name).read_text(encoding="utf-8")


def _json(content: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _rounded(values: Sequence[float] | Any) -> list[float]:
    return [round(float(value), DIGITS) for value in values]
