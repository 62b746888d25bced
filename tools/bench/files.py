"""Import against a plain copy, gathers against one file a video, start-up against importing everything."""

from __future__ import annotations

import contextlib
import cProfile
import io
import pstats
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from mmvad.data.sampling import EpochSampler
from mmvad.data.store import FeatureStore, Sequence2D
from mmvad.releases.importing import import_release
from tools.bench.timing import Row, compare, cost

VIDEOS = 3954
"""XD-Violence's training videos."""
STAGES = {"headers": "plan_import", "read and check": "load_entry", "pack and hash": "pack"}


def write_release(root: Path, videos: int, snippets: int, seed: int = 0) -> None:
    """A release of XD-Violence in its public layout, one crop, with sound; a quarter as many test videos."""
    draw = np.random.default_rng(seed)
    block = draw.normal(size=(2 * snippets, 640)).astype(np.float32)
    lines = []
    for split, folder, count in (("train", "XDTrainClipFeatures", videos), ("test", "XDTestClipFeatures", videos // 4)):
        (root / folder).mkdir(parents=True)
        (root / "vggish-features" / split).mkdir(parents=True)
        names = [f"{split}{i:06d}__#1_label_{'A' if i % 2 else 'B1-0-0'}" for i in range(count)]
        for name in names:
            start = int(draw.integers(0, snippets))
            rows = block[start : start + int(draw.integers(snippets // 2, snippets + 1))]
            np.save(root / folder / f"{name}__0.npy", rows[:, :512])
            np.save(root / "vggish-features" / split / f"{name}__vggish.npy", rows[:, 512:])
        table = "".join(f"{name},{name.split('_label_')[1]}\n" for name in names)
        (root / f"xd_{split}.csv").write_text("path,label\n" + table)
        lines = [name for name in names if "B1" in name]
    (root / "annotations").mkdir()
    for file, label in (("annotations.txt", ""), ("annotations_multiclasses.txt", "B1 ")):
        (root / "annotations" / file).write_text("".join(f"{name} {label}3 40\n" for name in lines))


def import_once(source: Path, out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    with contextlib.redirect_stdout(io.StringIO()):
        import_release("xd_violence", source, out, subset=True, progress=False)


def import_rows(quick: bool, repeats: int) -> Iterator[Row]:
    """One thread's import beside a plain copy of the same files, and where its time goes."""
    with tempfile.TemporaryDirectory(prefix="mmvad-bench-") as folder:
        source, out, copy = (Path(folder) / name for name in ("release", "bank", "copy"))
        write_release(source, 40 if quick else 1200, 60 if quick else 180)

        def plain() -> None:
            shutil.rmtree(copy, ignore_errors=True)
            subprocess.run(["cp", "-r", str(source), str(copy)], check=True)

        row = compare("import", "import of a release, beside cp", lambda: import_once(source, out), plain, repeats)
        size = sum(file.stat().st_size for file in source.rglob("*") if file.is_file())
        row.amount, row.unit, row.wanted = size / 2**20, "MiB", 0.2
        row.notes = stage_shares(source, out)
        yield row


def stage_shares(source: Path, out: Path) -> dict[str, float | str]:
    """The share of each stage in one import's time."""
    profile = cProfile.Profile()
    profile.runcall(import_once, source, out)
    stats = pstats.Stats(profile)
    total, shares = 0.0, dict[str, float]()
    for (file, _, name), (_, _, _, cumulative, _) in stats.stats.items():  # type: ignore[attr-defined]
        if name == "import_release":
            total = cumulative
        for stage, function in STAGES.items():
            if name == function and "/mmvad/" in file.replace("\\", "/"):
                shares[stage] = shares.get(stage, 0.0) + cumulative
    return {f"share of {stage}": f"{seconds / total:.0%}" for stage, seconds in shares.items()}


def gather_rows(quick: bool, repeats: int) -> Iterator[Row]:
    """A shuffled epoch of batches from a resident bank of one crop, beside one file a video."""
    videos, length = (64, 64) if quick else (VIDEOS, 256)
    draw = np.random.default_rng(0)
    lengths = draw.integers(30, length + 1, videos)
    starts = np.cumsum(lengths) - lengths
    packed = np.broadcast_to(draw.normal(size=(1, 512)).astype(np.float32), (int(lengths.sum()), 512))
    sequences = [Sequence2D(int(start), int(n)) for start, n in zip(starts, lengths, strict=True)]
    store = FeatureStore(packed, sequences, length, torch.device("cpu"))
    sampler = EpochSampler(np.arange(videos) % 2 == 0, 128, 0, balanced=False)
    with tempfile.TemporaryDirectory(prefix="mmvad-bench-") as folder:
        share = 1 if quick else 10
        for i in range(0, videos, share):
            np.save(Path(folder) / f"{i}.npy", packed[starts[i] : starts[i] + lengths[i]])

        def ours() -> None:
            for samples in sampler:
                store.gather(samples, length)

        def plain() -> None:
            for samples in sampler:
                rows = torch.zeros(len(samples), length, 512)
                for b, i in enumerate(samples // share * share):
                    loaded = torch.from_numpy(np.load(Path(folder) / f"{i}.npy"))
                    rows[b, : len(loaded)] = loaded

        row = compare("gather", f"an epoch's gathers, {videos} videos", ours, plain, repeats)
    row.amount, row.unit, row.limit = videos, "videos", 2.0
    yield row


def startup_rows(quick: bool, repeats: int) -> Iterator[Row]:
    """`mmvad --help` beside importing what training needs."""

    def fresh(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)

    helps = "import sys; from mmvad.cli.main import main; sys.argv[1:] = ['--help']; main()"
    row = compare(
        "startup", "mmvad --help", lambda: fresh(helps), lambda: fresh("import mmvad.training.train"), repeats
    )
    row.limit = 0.5
    yield row


def import_growth(sizes: list[int]) -> Iterator[tuple[int, float, int]]:
    """(videos, seconds, memory) of imports of short videos."""
    for videos in sizes:
        with tempfile.TemporaryDirectory(prefix="mmvad-bench-") as folder:
            source = Path(folder) / "release"
            write_release(source, videos, 4)
            spent = cost(lambda source=source: import_once(source, source.parent / "bank"))  # type: ignore[misc]
            yield videos, spent.wall, spent.memory
