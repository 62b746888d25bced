"""`python -m tests.plain.extraction_speed`: what extraction takes on this machine, beside a plain loop, in one run.

Long files of 320 x 240, 25 frames a second, H.264 and AAC, through `mmvad extract` in a process of its own each, with
random weights; and a part of such a file through a loop that calls the networks once a snippet. Prints wall and
processor seconds (on a busy machine only the latter mean something), frames a second, the network's share, peak memory.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.extraction.videos import Track, moving_pictures, noise, repeat_video, write_video

PART_SECONDS = 20
SMALL = "tiny"
FULL = "ViT-B-16-quickgelu"


def extract(path: Path, architecture: str, out: Path) -> None:
    """Runs `mmvad extract` and prints its account of itself."""
    weights = ["--clip-architecture", architecture, "--clip-weights", "random", "--vggish-weights", "random"]
    measured(["-m", "mmvad", "extract", str(path), "--out", str(out), *weights])


def measured(arguments: list[str]) -> None:
    """Runs Python on these arguments; prints its last lines, wall and processor seconds."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print("  " + done.stdout.strip().replace("\n", "\n  "))
    print(f"  the whole process: {wall:.1f} s, of processors {processor:.1f} s", flush=True)


def plain_loop(path: str, architecture: str) -> None:
    """One frame after the other, one call of the network a snippet, the sound all at once."""
    import av
    import torch
    from open_clip import image_transform

    from mmvad.extraction.extractor import small_extractor
    from mmvad.extraction.settings import VGGISH
    from tests.plain import extraction as plain

    extractor = small_extractor(visual_tower=architecture, audio_tower=VGGISH)
    assert extractor.sound is not None
    transform, ends, frames, began, network = image_transform(224, is_train=False), [], 0, time.perf_counter(), 0.0
    with torch.no_grad(), av.open(path) as container:
        for frame in container.decode(video=0):
            if frames % 16 == 8:
                crop = transform(frame.to_image())[None]
                called = time.perf_counter()
                extractor.image.network(crop)
                network += time.perf_counter() - called
            frames += 1
            ends += [frame.time + 0.04] if frames % 16 == 0 else []
    plain.ends(Path(path), extractor.sound.network, ends)
    wall = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"plain loop: {frames} frames in {wall:.1f} s: {frames / wall:.0f} frames/s; peak memory {memory:.2f} GiB")
    print(f"of that time: CLIP {100 * network / wall:.0f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=float, nargs="*", default=[3, 30, 180], help="minutes with the small CLIP")
    parser.add_argument("--full", type=float, nargs="*", default=[3], help="minutes with CLIP ViT-B/16")
    parser.add_argument("--plain", metavar="FILE", help=argparse.SUPPRESS)
    parser.add_argument("--architecture", default=SMALL, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        return plain_loop(options.plain, options.architecture)
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tracks = [Track(noise(PART_SECONDS, 44_100, 2), 44_100, "stereo", "aac")]
        part = write_video(folder / "part.mp4", moving_pictures(25 * PART_SECONDS, 320, 240), 25, tracks=tracks)
        for architecture, lengths in ((SMALL, options.small), (FULL, options.full)):
            for i, minutes in enumerate(lengths):
                path = repeat_video(part, folder / f"{minutes:g}.mkv", round(minutes * 60 / PART_SECONDS))
                print(f"{minutes:g} minutes, {architecture}, load {os.getloadavg()[0]:.1f}:", flush=True)
                extract(path, architecture, folder / f"{architecture}-{i}")
                if i == 0:
                    measured(
                        ["-m", "tests.plain.extraction_speed", "--plain", str(path), "--architecture", architecture]
                    )
    return None


if __name__ == "__main__":
    main()
