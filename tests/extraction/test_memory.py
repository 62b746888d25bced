"""Memory does not grow with a video's length."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.extraction.videos import Track, moving_pictures, noise, repeat_video, write_video

SCRIPT = """
import resource, sys
from pathlib import Path
from mmvad.extraction.extractor import small_extractor
extractor = small_extractor()
# the networks would take minutes
extractor.image.network = lambda images: images.mean(dim=(2, 3)).repeat(1, 43)[:, :128]
extractor.sound.network = lambda examples: examples.mean(dim=(1, 2)).repeat(1, 2)
for path in sys.argv[1:]:
    features = extractor.extract(Path(path))
    print(len(features.starts) - 1, len(features.audio), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_a_quarter_of_an_hour_takes_as_much_memory_as_four_minutes(tmp_path: Path) -> None:
    """A file that fills memory with its frames, its waveform or its spectrograms takes 90 to 300 MB more.

    By four minutes all buffers and threads are there; freed memory goes back at once, so that its peak says something.
    """
    tracks = [Track(noise(20, 44_100, 2), 44_100, "stereo", "aac")]
    part = write_video(tmp_path / "part.mp4", moving_pictures(160, 160, 120), 8, tracks=tracks)
    short, long = (repeat_video(part, tmp_path / f"{n}.mkv", n) for n in (12, 45))
    command = [sys.executable, "-c", SCRIPT, str(short), str(long)]
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    one |= {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=800, check=True, env=os.environ | one)
    (few, few_heard, before), (many, many_heard, after) = (map(int, line.split()) for line in done.stdout.splitlines())
    assert few == few_heard
    assert many == many_heard > 3.5 * few
    assert after - before < 60, f"{before} MiB after four minutes, {after} MiB after a quarter of an hour"
