"""Small commands that are killed: what they need, what they leave, and what of it is finished work."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.extraction.videos import Track, moving_pictures, noise, write_video
from tests.releases.by_hand import write_xd
from tests.runs import SMALL
from tests.small import write_bank

Bytes = dict[str, bytes]

EPOCHS = 20
VIDEOS = 4


@dataclass(frozen=True)
class Job:
    """A command and its results.

    Attributes:
        words: the command, given where its inputs lie and where its results go.
        results: what must be the same as an undisturbed command's, by name.
        finished: what is finished, by name, with what no later command may change of it.
        left: files that only an unfinished command leaves.
    """

    words: Callable[[Path, Path], list[str]]
    results: Callable[[Path], Bytes]
    finished: Callable[[Path], Mapping[str, object]]
    left: Callable[[Path], list[Path]]


def prepare(inputs: Path) -> None:
    """Writes the inputs of all jobs: a bank, a release, videos, a sweep file."""
    write_bank(inputs / "bank")
    names = tuple(f"v={i:02}__#1_label_{'A' if i % 2 else 'B1-0-0'}" for i in range(40))
    write_xd(inputs / "release", train=names, snippets=150)
    (inputs / "videos").mkdir()
    for i in range(VIDEOS):
        tracks = [Track(noise(1, 48_000, seed=i))] * (i % 2)
        write_video(inputs / "videos" / f"clip{i}.mkv", moving_pictures(50, seed=i), tracks=tracks)
    (inputs / "grid.yaml").write_text(
        "{program: mmvad, method: grid, parameters: {seed: {values: [0, 1]}, modalities: {values: [v, va]}}}"
    )


def _train(inputs: Path, out: Path) -> list[str]:
    given = [*SMALL, f"optim.epochs={EPOCHS}", f"data.bank={inputs / 'bank'}", f"runtime.results={out}"]
    return ["train", *(f"--{text}" for text in given)]


def _sweep(inputs: Path, out: Path) -> list[str]:
    given = [*SMALL, f"data.bank={inputs / 'bank'}"]
    return ["sweep", "run", str(inputs / "grid.yaml"), "--results", str(out), "--workers", "2", "--set", *given]


def _import(inputs: Path, out: Path) -> list[str]:
    return ["data", "import", "xd_violence", str(inputs / "release"), "--out", str(out / "bank"), "--subset"]


def _extract(inputs: Path, out: Path) -> list[str]:
    tiny = ["--clip-architecture", "tiny", "--clip-weights", "random", "--vggish-weights", "random"]
    return ["extract", str(inputs / "videos"), "--out", str(out), "--device", "cpu", *tiny]


def _run_results(out: Path) -> Bytes:
    names = ("report.json", "epochs.csv", "scores.npz")
    return {f"{run.name}/{name}": (run / name).read_bytes() for run in _runs(out) for name in names}


def _runs(out: Path) -> list[Path]:
    return sorted(path.parent for path in out.glob("*/report.json"))


def _finished_runs(out: Path) -> dict[str, object]:
    """A run that is reported is not trained again: its report stays the same file."""
    return {run.name: (run / "report.json").stat().st_mtime_ns for run in _runs(out)}


def _bank_results(out: Path) -> Bytes:
    files = [path for path in sorted((out / "bank").rglob("*")) if path.is_file() and path.name != "manifest.json"]
    found = {str(path.relative_to(out)): path.read_bytes() for path in files}
    return found | {"hash": json.loads((out / "bank" / "manifest.json").read_text())["content_hash"].encode()}


def _finished_bank(out: Path) -> dict[str, object]:
    manifest = out / "bank" / "manifest.json"
    return {"bank": manifest.stat().st_mtime_ns} if manifest.is_file() else {}


def _feature_results(out: Path) -> Bytes:
    found = {str(path.relative_to(out)): np.load(path).tobytes() for path in sorted(out.rglob("*.npy"))}
    lines = sorted(line for line in (out / "videos.jsonl").read_bytes().splitlines() if line.strip())
    return found | {"videos": b"\n".join(lines)}


def _finished_videos(out: Path) -> dict[str, object]:
    """A video whose line is whole is not extracted again: its features stay the same files."""
    journal = out / "videos.jsonl"
    text = journal.read_text() if journal.is_file() else ""
    names = [json.loads(line)["video"] for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return {name: (out / "visual" / f"{name}__0.npy").stat().st_mtime_ns for name in names}


def _partial(out: Path) -> list[Path]:
    return [path for path in out.rglob("*.partial*") if path.exists()]


JOBS = {
    "import": Job(_import, _bank_results, _finished_bank, _partial),
    "extract": Job(_extract, _feature_results, _finished_videos, _partial),
    "train": Job(_train, _run_results, _finished_runs, _partial),
    "sweep": Job(_sweep, _run_results, _finished_runs, _partial),
}
