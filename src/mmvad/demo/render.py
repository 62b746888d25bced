"""Clips as files: H.264 and AAC in MP4, which every browser plays. The only file that encodes."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from mmvad.demo.scene import HEIGHT, WIDTH, Scene
from mmvad.demo.script import RATE, Script
from mmvad.demo.sound import SAMPLE_RATE, soundtrack
from mmvad.system.disk import disk_errors

BLOCK = 1024
"""Samples of an AAC frame."""
_QUALITY = {"preset": "veryfast", "crf": "26", "g": "24", "x264-params": "threads=1:mbtree=0:rc-lookahead=0"}
"""One thread and no look ahead: with them x264 writes other bytes now and then."""

_ORDER = {"movflags": "faststart", "max_interleave_delta": "0"}
"""The index first, and sound beside its picture however late it is written: a pipe reads from front to back."""


def render(script: Script, folder: Path) -> Path:
    """Writes the clip `<name>.mp4`; one that is there is left alone. Gives its path."""
    path = folder / f"{script.video.name}.mp4"
    if path.is_file():
        return path
    partial = path.with_suffix(".partial")
    with disk_errors(path):
        folder.mkdir(parents=True, exist_ok=True)
        with av.open(str(partial), "w", format="mp4", options=_ORDER) as container:
            picture = container.add_stream("libx264", rate=Fraction(RATE), options=_QUALITY)
            picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            picture.codec_context.thread_count = 1
            sound = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
            _write_picture(container, picture, script)
            _write_sound(container, sound, soundtrack(script))
        os.replace(partial, path)
    return path


def _write_picture(container: av.container.OutputContainer, stream: av.VideoStream, script: Script) -> None:
    scene = Scene(script)
    for number in range(script.frames):
        container.mux(stream.encode(av.VideoFrame.from_ndarray(scene.frame(number), format="rgb24")))
    container.mux(stream.encode(None))


def _write_sound(container: av.container.OutputContainer, stream: av.AudioStream, track: np.ndarray) -> None:
    for start in range(0, len(track), BLOCK):
        frame = av.AudioFrame.from_ndarray(track[None, start : start + BLOCK].copy(), format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
