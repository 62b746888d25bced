"""A run folder: what lies in it, and how its files are written and read.

config.yaml    the resolved configuration        manifest.json  how, where, when: never results
epochs.csv     figures of every epoch            checkpoints/   last.ckpt, best.ckpt
scores.npz     every test video's scores         figures/       score curves, precision-recall, ROC
run.log        what was printed                  report.json    the results; written last: the run is done
card.md        the run on one page: what it was made of, what it is worth, where it fails
audit/         the test set's scores of every epoch (`runtime.audit`), and what `mmvad audit` made of them
tests/         figures on other banks (`mmvad test RUN --bank OTHER`): they do not belong to the report
look_ahead.json  figures by look-ahead (`mmvad test RUN --look-ahead 0,1,all`), likewise
measures.json  measures of use of a run whose report is older than they are
truth.json     of scores from elsewhere alone: what they were held against (such a folder has no config.yaml)
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmvad.config.files import read_yaml
from mmvad.config.identity import lacking_keys
from mmvad.config.load import load_config
from mmvad.config.schema import Config
from mmvad.errors import UserError, nearest_name
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.system.disk import write_whole


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run."""

    path: Path

    @property
    def name(self) -> str:
        """What the folder is called, also where it is given as `.`."""
        return self.path.resolve().name

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def report(self) -> Path:
        return self.path / "report.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def figures(self) -> Path:
        return self.path / "figures"

    @property
    def scores(self) -> Path:
        return self.path / "scores.npz"

    @property
    def truth(self) -> Path:
        return self.path / "truth.json"

    @property
    def measures(self) -> Path:
        return self.path / "measures.json"

    @property
    def card(self) -> Path:
        return self.path / "card.md"

    @property
    def audit(self) -> Path:
        return self.path / "audit"

    @property
    def tests(self) -> Path:
        return self.path / "tests"

    @property
    def look_ahead(self) -> Path:
        return self.path / "look_ahead.json"

    @property
    def epochs(self) -> Path:
        return self.path / "epochs.csv"

    @property
    def log(self) -> Path:
        return self.path / "run.log"

    @property
    def finished(self) -> bool:
        return self.report.is_file()

    @property
    def foreign(self) -> bool:
        """Whether `mmvad evaluate` made it, of scores that another program wrote."""
        return self.truth.is_file()


def run_config(folder: RunFolder, overrides: Sequence[str] = ()) -> Config:
    """The run's configuration with some keys changed; a key that is younger than the run has the value it stands for.

    Raises UserError for what is no run folder.
    """
    if folder.foreign:
        problem = "holds scores that another program wrote: there is no network in it"
        raise UserError(folder.path, problem, expected="a folder that `mmvad train` made")
    if not folder.config.is_file():
        raise _no_run(folder.path)
    before = [f"{key}={json.dumps(value)}" for key, value in lacking_keys(read_yaml(folder.config)).items()]
    return load_config([folder.config], overrides, settings=(folder.config, before))


def run_folder_of(path: Path) -> RunFolder:
    """The run folder of a path: the folder itself, or the one that a checkpoint file lies in.

    Raises UserError for a file that lies in none.
    """
    if not path.is_file():
        return RunFolder(path)
    folder = RunFolder(path.absolute().parent.parent)
    if not folder.config.is_file():
        expected = "a folder that `mmvad train` made, or a file in its checkpoints/"
        raise UserError(path, "is a file that lies in no run folder", expected=expected)
    return folder


def _no_run(path: Path) -> UserError:
    """Says what a folder is instead, and which run may be meant."""
    expected = "a folder that `mmvad train` made"
    if (path / "model.json").is_file():
        fix = "give the run that was exported; `mmvad predict --model` scores videos with the model"
        return UserError(path, "is no run folder, but a model that was exported", expected=expected, fix=fix)
    inside = sorted(file.parent.name for file in path.glob("*/config.yaml"))
    if inside:
        some = f"one of the {len(inside)} in it, such as {path / inside[0]}" if len(inside) > 1 else None
        near = str(path / inside[0]) if len(inside) == 1 else None
        return UserError(path, "is a folder of runs", expected=some or expected, nearest=near)
    beside = sorted(file.parent.name for file in path.parent.glob("*/config.yaml"))
    near = nearest_name(path.name, beside)
    problem = f"is no run folder ({'config.yaml is missing' if path.exists() else 'there is nothing'})"
    return UserError(path, problem, expected=expected, nearest=near and str(path.parent / near))


def require_finished(folder: RunFolder) -> None:
    """Raises UserError for what is no run, and for one whose training or test has not come to its end."""
    if folder.finished:
        return
    if not folder.config.is_file():
        raise _no_run(folder.path)
    fix = "the same `mmvad train` command goes on with it"
    raise UserError(folder.path, "the run is not finished (report.json is missing)", fix=fix)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes JSON whole or not at all; NaN is refused."""
    write_whole(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path, needed: Sequence[str] = ()) -> dict[str, Any]:
    """A JSON file's content. Raises UserError where it is missing, broken, no mapping, or lacks a `needed` key."""
    fix = f"remove it{'' if path.name == 'report.json' else ' and report.json'}, then train again"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(path, "no such file", expected="a run folder of `mmvad train`") from None
    except (OSError, ValueError) as error:
        raise UserError(path, f"cannot be read as JSON: {error}", fix=fix) from None
    lacking = [key for key in needed if not isinstance(content, dict) or key not in content]
    if lacking or not isinstance(content, dict):
        problem = f"lacks {', '.join(lacking)}" if lacking else f"holds a {type(content).__name__}"
        raise UserError(path, problem, expected="the file as a run leaves it", fix=fix)
    return content


def read_report(folder: RunFolder) -> dict[str, Any]:
    """A finished run's report. Raises UserError where it is missing or is not as a run leaves it."""
    return read_json(folder.report, ("bank_hash", "config", "scores", "map", "select"))


def read_manifest(folder: RunFolder) -> dict[str, Any]:
    """What a run notes of how it was made. Raises UserError where it is missing or is not as a run leaves it."""
    return read_json(folder.manifest, ("identity", "precision", "bank"))


def epoch_scores(folder: RunFolder, epoch: int) -> Path:
    """Where an audited run keeps the test set's scores of an epoch (from 0)."""
    return folder.audit / f"epoch-{epoch + 1:04d}.npz"


def crop_scores(folder: RunFolder) -> Path:
    """Where it keeps those of the reported checkpoint, averaged over all crops."""
    return folder.audit / "all_crops.npz"


def write_scores(path: Path, videos: list[ScoredVideo]) -> None:
    """All videos' scores as `<video>/coarse` [n] and `<video>/classes` [n, C], without pickles.

    `<video>/combined` [n] is there where it is not the larger one of these.
    """
    arrays: dict[str, np.ndarray] = {}
    for video in videos:
        if video.combined is not None:
            arrays[f"{video.name}/combined"] = video.combined
        if video.coarse is not None:
            arrays[f"{video.name}/coarse"] = video.coarse
        if video.class_probabilities is not None:
            arrays[f"{video.name}/classes"] = video.class_probabilities
    buffer = io.BytesIO()
    save: Any = np.savez_compressed  # numpy before 2.2 would save `allow_pickle` as an array: numbers need none
    save(buffer, **arrays)
    write_whole(path, buffer.getvalue())
