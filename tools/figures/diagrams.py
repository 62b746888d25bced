"""The two diagrams: the dual-stream network, and the way of the data from files to tables."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from tools.figures.canvas import STYLE, Box, canvas, draw_arrow, draw_box, draw_bridge, legend, save, write

AUDIO, PICTURE, MIDDLE, TEXT, BELOW = 6.75, 5.4, 3.95, 2.5, 1.15
KINDS = {
    "input": "input",
    "frozen": "frozen",
    "learned": "learned",
    "loss": "loss (training alone)",
    "output": "score",
}


def draw_network(folder: Path) -> list[Path]:
    """Writes `network.svg` and `network.png`: from sound, picture and class names to when and what."""
    with plt.rc_context(STYLE):
        figure, axes = canvas(13.6, 7.3, 0.9)
        _coarse_stream(axes)
        _fine_stream(axes)
        _scores(axes)
        legend(axes, 0.25, 0.3, KINDS)
        write(axes, 13.35, 0.3, "L segments, d = 512 features, C classes, normal first", ha="right")
        return save(figure, folder / "network")


def _coarse_stream(axes: Axes) -> None:
    """Sound and picture to the fused features F and the probability p, with their losses."""
    sound = Box(1.15, AUDIO, "sound", "input", "0.96 s a snippet")
    vggish = Box(3.3, AUDIO, "VGGish", "frozen", "[L, 128]")
    picture = Box(1.15, PICTURE, "picture", "input", "16 frames a snippet")
    clip = Box(3.3, PICTURE, "CLIP, image", "frozen", "[L, d]")
    temporal = Box(5.45, PICTURE, "temporal unit", "learned", "looks at neighbours")
    fusion = Box(7.45, PICTURE, "fusion", "learned", "F  [L, d]", 1.4)
    classifier = Box(10.1, PICTURE, "classifier", "learned", "p  [L]", 1.6)
    contrast = Box(8.95, AUDIO, "contrast", "loss", "top and bottom k of F")
    bag = Box(11.35, AUDIO, "coarse MIL", "loss", "mean of the top k of p", 1.8)
    for box in (sound, vggish, picture, clip, temporal, fusion, classifier, contrast, bag):
        draw_box(axes, box)
    for one, other in [(sound, vggish), (picture, clip), (clip, temporal), (temporal, fusion), (fusion, classifier)]:
        draw_arrow(axes, [one.right, other.left])
    draw_arrow(axes, [vggish.right, (fusion.x, AUDIO), fusion.top])
    draw_arrow(axes, [(contrast.x, PICTURE), contrast.bottom], dashed=True)
    draw_arrow(axes, [(bag.x, PICTURE), bag.bottom], dashed=True)


def _fine_stream(axes: Axes) -> None:
    """Class names to the map M of segments and classes; the context prompt between the two streams."""
    names = Box(1.15, TEXT, "class names", "input", "fighting, riot, ...")
    prompts = Box(3.3, TEXT, "prompts", "learned", "vectors + FFN(w) + w")
    text = Box(5.45, TEXT, "CLIP, text", "frozen", "T  [C, d]")
    visual = Box(7.45, TEXT, "visual prompt", "learned", "T + FFN(w + T)", 1.5)
    matching = Box(10.1, TEXT, "matching", "learned", "M = cos(F, T) / τ  [L, C]", 1.9)
    context = Box(5.45, MIDDLE, "context prompt", "learned", "w: mean of F, weighted by p", 2.3)
    embedding = Box(6.45, BELOW, "embedding", "loss", "normal away from the others", 2.2)
    fine = Box(11.35, BELOW, "fine MIL", "loss", "mean of the top k of M", 1.8)
    for box in (names, prompts, text, visual, matching, context, embedding, fine):
        draw_box(axes, box)
    for one, other in [(names, prompts), (prompts, text), (text, visual), (visual, matching)]:
        draw_arrow(axes, [one.right, other.left])
    features, right = 8.55, context.right[0]
    draw_arrow(axes, [(10.1, PICTURE - 0.43), (10.1, MIDDLE - 0.17), (right, MIDDLE - 0.17)])
    draw_arrow(axes, [(features, PICTURE), (features, 3.2), (9.75, 3.2), (9.75, matching.top[1])])
    draw_bridge(axes, features, MIDDLE - 0.37, MIDDLE + 0.03)
    draw_arrow(axes, [(features, MIDDLE + 0.17), (right, MIDDLE + 0.17)])
    draw_arrow(axes, [context.left, (prompts.x, MIDDLE), prompts.top])
    draw_arrow(axes, [context.bottom, (context.x, 3.2), (visual.x, 3.2), visual.top])
    draw_arrow(axes, [(6.45, TEXT), embedding.top], dashed=True)
    draw_arrow(axes, [(fine.x, TEXT), fine.top], dashed=True)
    for x, y, name in [
        (8.7, MIDDLE + 0.33, "F"),
        (9.95, MIDDLE + 0.33, "p"),
        (2.95, MIDDLE - 0.3, "w"),
        (7.25, 3.35, "w"),
    ]:
        write(axes, x, y, name, size=10, weight="bold")


def _scores(axes: Axes) -> None:
    when = Box(12.5, PICTURE, "when", "output", "coarse: p", 1.6)
    both = Box(12.5, MIDDLE, "combined", "output", "the larger of the two", 1.7)
    what = Box(12.5, TEXT, "what", "output", "fine: softmax(M)", 1.6)
    for box in (when, both, what):
        draw_box(axes, box)
    draw_arrow(axes, [(10.9, PICTURE), when.left])
    draw_arrow(axes, [(11.05, TEXT), what.left])
    draw_arrow(axes, [when.bottom, both.top])
    draw_arrow(axes, [what.top, both.bottom])


def draw_data(folder: Path) -> list[Path]:
    """Writes `data.svg` and `data.png`: files, bank, batches, run, report, tables, with the commands between them."""
    with plt.rc_context(STYLE):
        figure, axes = canvas(13.6, 3.5, 0.85)
        line, above, below = 1.75, 2.98, 0.52
        videos = Box(1.1, above, "videos", "input", "mp4, mkv, ...")
        files = Box(1.1, line, "files", "input", "features, lists")
        bank = Box(4.0, line, "bank", "frozen", "packed, hashed")
        planted = Box(4.0, below, "planted", "input", "made up, no download", 2.0)
        batches = Box(6.45, line, "batches", "frozen", "L segments each", 1.75)
        run = Box(8.55, line, "run", "learned", "folder, identity", 1.6)
        sweep = Box(8.55, above, "sweep", "learned", "many runs, one queue", 2.0)
        report = Box(10.5, line, "report.json", "output", "all metrics", 1.5)
        tables = Box(12.7, line, "tables", "output", "figures, one page", 1.65)
        prediction = Box(12.7, below, "prediction", "output", "events, a page", 1.65)
        for box in (videos, files, bank, planted, batches, run, sweep, report, tables, prediction):
            draw_box(axes, box)
        for one, other in [(files, bank), (bank, batches), (batches, run), (run, report), (report, tables)]:
            draw_arrow(axes, [one.right, other.left])
        for one, other in [(videos, files), (sweep, run)]:
            draw_arrow(axes, [one.bottom, other.top])
        draw_arrow(axes, [planted.top, bank.bottom])
        draw_arrow(axes, [run.bottom, (run.x, below), prediction.left])
        for x, y, command, side in [
            (1.22, 2.36, "extract", "left"),
            (2.55, line + 0.18, "data import", "center"),
            (4.12, 1.14, "planted", "left"),
            (5.2, line + 0.18, "train", "center"),
            (8.67, 2.36, "sweep run", "left"),
            (11.56, line + 0.18, "report", "center"),
            (10.4, below + 0.18, "predict", "center"),
        ]:
            write(axes, x, y, command, family="DejaVu Sans Mono", ha=side)
        return save(figure, folder / "data")
