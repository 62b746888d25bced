"""Run folders as one tidy frame: one row for each run, score and metric, with the whole configuration beside it.

Columns: who ran (`run`, `path`, `identity`, `recipe`, `bank_hash`, `precision`, `device`, ...), every key of the
configuration under its dotted name, then what `report_values` says of a figure.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from mmvad.benchmarks.registry import known_benchmark
from mmvad.config.identity import is_read, recipe, with_later_keys
from mmvad.errors import UserError
from mmvad.evaluation.run_folder import remember_benchmark
from mmvad.models.method import Method
from mmvad.models.outside import OURS, method_told
from mmvad.runs import RunFolder, read_json
from mmvad.system.plain_yaml import parse_yaml
from mmvad.system.progress import track
from mmvad.tables.report_values import FIGURE_COLUMNS, figures_of
from mmvad.tables.scored import Truths
from mmvad.tables.use import with_use

RUN_COLUMNS = (
    *("run", "path", "identity", "recipe", "schema", "bank_hash", "bank", "features", "test_videos"),
    *("precision", "device", "versions", "finished"),
)
NOTED = "method"
"""A column that only runs of models from outside, and scores from elsewhere, have: what is told of their method."""
REPEATED = ("seed", "data.fold")
"""What tells the runs of one row apart: with what they were begun, and on which of a benchmark's splits."""


@dataclass(frozen=True)
class Collected:
    """What was found under the results folders.

    Attributes:
        frame: one row for each finished run, score and metric.
        unfinished: run folders without a report.
        broken: run folders whose report cannot be used, with the reason.
        copies: folders of a run that was read from another folder already.
    """

    frame: pd.DataFrame
    unfinished: tuple[Path, ...]
    broken: tuple[tuple[Path, str], ...]
    copies: tuple[Path, ...]

    @property
    def unfinished_configs(self) -> list[dict[str, Any]]:
        """What the unfinished runs would have been, as dotted keys; a broken configuration is left out."""
        return [config for path in self.unfinished if (config := _config(path))]

    @property
    def runs(self) -> int:
        return int(self.frame["identity"].nunique())


def collect(results: Sequence[Path], truths: Truths | None = None) -> Collected:
    """The frame of all finished runs under some folders; what is unfinished or broken is left out and listed.

    Args:
        truths: ground truth, from which measures that are younger than a run are computed.

    Raises UserError where a folder is missing, or no finished run lies in any of them.
    """
    return collect_folders([folder for root in results for folder in run_folders(root)], results, truths)


def collect_folders(folders: Sequence[RunFolder], where: Sequence[Path], truths: Truths | None = None) -> Collected:
    """The frame of these run folders alone; `where` names them in the UserError that none is finished."""
    truths = truths or Truths()
    kept: dict[str, list[dict[str, Any]]] = {}
    unfinished, broken, copies = [], [], []
    # A copy without scores (a report that came through a database) must not stand in for the folder that has them.
    ordered = sorted(folders, key=lambda f: (not f.scores.is_file(), str(f.path)))
    for folder in track(ordered, "reading runs", len(ordered)):
        if not folder.finished:
            unfinished.append(folder.path)
            continue
        try:
            rows = run_rows(folder, truths)
        except (UserError, KeyError, TypeError, ValueError, AttributeError) as error:
            broken.append((folder.path, _why(error)))
            continue
        if rows[0]["identity"] in kept:
            copies.append(folder.path)
        kept.setdefault(rows[0]["identity"], rows)
    if not kept:
        raise _nothing_found(where, len(unfinished), broken)
    return Collected(_frame(kept), tuple(unfinished), tuple(broken), tuple(copies))


def run_folders(root: Path) -> Iterator[RunFolder]:
    """Every run folder at or below `root`, in the order of names. Raises UserError where `root` is no folder."""
    if not root.is_dir():
        raise UserError(
            root, "no such results folder", fix="run an experiment first, e.g. `mmvad train --config planted`"
        )
    for path, folders, files in os.walk(root):
        if "report.json" in files or {"config.yaml", "manifest.json"} <= set(files):
            folders.clear()
            yield RunFolder(Path(path))
        folders.sort()


def run_rows(folder: RunFolder, truths: Truths) -> list[dict[str, Any]]:
    """One record for each score and metric of a finished run.

    Raises UserError, KeyError, TypeError, ValueError or AttributeError where its files are not what a run leaves.
    """
    report = read_json(folder.report)
    remember_benchmark(folder)
    manifest = read_json(folder.manifest) if folder.manifest.is_file() else {}
    known_benchmark(report["config"]["benchmark"])  # one that nobody knows breaks its run, not the report
    settings = flat(report["config"]) if "foreign" in report else settings_of(report["config"])
    run = {**_origin(folder, report, manifest), **settings}
    report = with_use(folder, report, run["bank"], truths)
    return [{**run, **figure} for figure in figures_of(report, manifest)]


def settings_of(tree: dict[str, Any]) -> dict[str, Any]:
    """A run's configuration as dotted keys: those that its model reads. Raises KeyError without `model.name`."""
    name = tree["model"]["name"]
    return {key: value for key, value in with_later_keys(flat(tree)).items() if is_read(key, name)}


def repetition(record: Mapping[str, Any]) -> tuple[str, int]:
    """Which repetition of its row a run is: its fold, "" without folds, and its seed."""
    return record.get("data.fold") or "", record["seed"]


def folds_of(records: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The folds that runs are of; empty without folds."""
    return tuple(sorted({fold for fold, _ in map(repetition, records) if fold}))


def data_of(record: Mapping[str, Any]) -> str:
    """What the runs of a table have in common in data: the bank's content, or of folds the benchmark."""
    return f"folds of {record['benchmark']}" if record.get("data.fold") else record["bank_hash"]


def method_of(record: Mapping[str, Any]) -> Method | None:
    """The facts about a run's method, by its configuration as dotted keys and what it noted; None for ours."""
    return method_told(record.get("model.name", OURS), json.loads(record.get(NOTED) or "{}"))


def scores_from(record: Mapping[str, Any]) -> str | None:
    """Where a record's scores came from and what has to be known of them; None for a run of this suite."""
    noted = json.loads(record.get(NOTED) or "{}")
    return "; ".join([noted["scores_from"], *noted.get("notes", ())]) if "scores_from" in noted else None


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested configuration as dotted keys; a list of numbers as one word."""
    keys: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            keys |= flat(value, f"{prefix}{name}.")
        else:
            keys[f"{prefix}{name}"] = ", ".join(map(str, value)) if isinstance(value, list) else value
    return keys


def config_columns(frame: pd.DataFrame) -> list[str]:
    """The frame's columns that hold the configuration."""
    return [column for column in frame.columns if column not in {*RUN_COLUMNS, NOTED, *FIGURE_COLUMNS}]


def write_frame(frame: pd.DataFrame, folder: Path) -> list[Path]:
    """Writes `results.parquet` and `results.csv`; gives the files."""
    parquet, csv = folder / "results.parquet", folder / "results.csv"
    frame.to_parquet(parquet, index=False)
    frame.to_csv(csv, index=False)
    return [parquet, csv]


def _origin(folder: RunFolder, report: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    """Who ran: what is the same in every row of a run."""
    noted = report.get("foreign") or manifest.get("code", {}).get("facts")
    return {
        "run": folder.name,
        "path": str(folder.path),
        "identity": str(report["identity"]),
        "recipe": "" if "foreign" in report else recipe(report["config"]),
        "schema": int(report["schema"]),
        "bank_hash": str(report["bank_hash"]),
        "bank": manifest.get("bank", {}).get("path"),
        "features": str(report.get("features", "CLIP")),
        "test_videos": int(report["videos"]),
        "precision": report.get("precision"),
        "device": manifest.get("device"),
        "versions": json.dumps(manifest["versions"], sort_keys=True) if manifest.get("versions") else None,
        "finished": manifest.get("finished"),
        **({NOTED: json.dumps(noted)} if noted is not None else {}),
    }


def _frame(kept: dict[str, list[dict[str, Any]]]) -> pd.DataFrame:
    """The rows of all runs; missing values are pandas' NA, never NaN."""
    runs = sorted(kept.values(), key=lambda rows: (rows[0]["run"], rows[0]["path"]))
    frame = pd.DataFrame([row for rows in runs for row in rows])
    settings = config_columns(frame)
    noted = [NOTED] if NOTED in frame else []
    frame = frame[[*RUN_COLUMNS, *noted, *settings, *FIGURE_COLUMNS]].convert_dtypes()
    # A column that no run fills would come out as `object`, and whole numbers as integers in one frame only.
    words = ["bank", "precision", "device", "versions", "finished", "reason"]
    return frame.astype({**dict.fromkeys(words, "string"), "value": "Float64"})


def _config(path: Path) -> dict[str, Any] | None:
    try:
        content = parse_yaml(RunFolder(path).config.read_text(encoding="utf-8"))
        told = content["benchmark"]  # a user's is written out, so that its file is not needed
        name = told["name"] if isinstance(told, dict) else told
        return settings_of({**content, "benchmark": name}) if "seed" in content else None
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return None


def _why(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, UserError) else f"report.json is not as a run leaves it ({error!r})"


def _nothing_found(results: Sequence[Path], unfinished: int, broken: list[tuple[Path, str]]) -> UserError:
    found = [f"{unfinished} unfinished"] if unfinished else []
    found += [f"{len(broken)} broken ({broken[0][0]}: {broken[0][1]})"] if broken else []
    return UserError(
        ", ".join(map(str, results)),
        "no finished run in it" + (f"; {', '.join(found)}" if found else ""),
        expected="run folders with a report.json",
        fix="make some: `mmvad sweep run modalities`, or `mmvad train --config planted` for a single run",
    )
