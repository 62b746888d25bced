"""One page for one video: it plays above its score curve, a click on the curve seeks, class scores on hover.

The page asks nothing of the network. A video of up to 20 MB lies in it; a larger one beside it, under its own name.
"""

from __future__ import annotations

import base64
import mimetypes
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from mmvad.errors import UserError
from mmvad.predict.picture import truth_spans
from mmvad.predict.prediction import Prediction
from mmvad.system.disk import disk_errors, write_whole
from mmvad.system.pages import render

EMBEDDED_BYTES = 20_000_000
DIGITS = 4
_SRC = Markup('src="{}"')
"""Not in the template: an earlier page is searched for these very words."""
_LAID = Markup(" data-laid")
"""Marks a video that was laid beside its page, and was not there before."""


def write_page(path: Path, prediction: Prediction, made_by: str) -> None:
    """Writes the page. `made_by` says which run and weights gave the scores.

    Raises ValueError without the video itself.
    """
    if prediction.media is None:
        raise ValueError("a page shows the video: prediction.media is None")
    text = render(
        "mmvad.predict",
        "prediction.html",
        prediction=prediction,
        made_by=made_by,
        summary=_summary(prediction),
        source=_source(path, prediction.media),
        data=page_data(prediction),
    )
    write_whole(path, text.encode(errors="backslashreplace"))
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


def _source(page: Path, media: Path) -> Markup:
    """The video element's attributes: a data URI, or the name under which the video lies beside the page.

    Raises UserError where another file has that name: only what was laid there for an earlier page is replaced.
    """
    with disk_errors(page):
        if _embedded(media):
            kind = mimetypes.guess_type(media.name)[0] or "video/mp4"
            return _SRC.format(f"data:{kind};base64,{base64.b64encode(media.read_bytes()).decode()}")
        name = _SRC.format(quote(os.fsencode(media.name)))
        laid = name + _LAID
        target, replaceable = page.with_name(media.name), _has(page, laid)
        if os.path.lexists(target) and not replaceable:
            if not (target.exists() and target.samefile(media)):
                fix = "choose another --out, or move that file away"
                raise UserError(target, "is another file, which the page's video would replace", fix=fix)
            return name
        return laid


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


def _linked(link: Callable[[Path, Path], object], media: Path, target: Path) -> bool:
    with suppress(OSError):
        link(media.resolve(), target)
        return True
    return False


def _summary(prediction: Prediction) -> str:
    peak = max(float(prediction.scores["combined"].max()), 0.0)
    count = len(prediction.events)
    events = "no event" if not count else "1 event" if count == 1 else f"{count} events"
    length = f"{prediction.duration:.1f} s, {len(prediction.edges) - 1} snippets"
    return f"{length}; {events} detected, highest score {peak:.2f}"


def _rounded(values: Sequence[float] | Any) -> list[float]:
    return [round(float(value), DIGITS) for value in values]
