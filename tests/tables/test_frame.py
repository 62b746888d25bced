"""Run folders become a tidy frame; what is broken or unfinished is left out and said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmvad.config.load import dump, load_config
from mmvad.errors import UserError
from mmvad.runs import RunFolder
from mmvad.tables.frame import collect, config_columns, write_frame
from tests.own import write_own
from tests.tables.made_up import make_run


def test_one_row_for_each_run_and_metric(results: Path) -> None:
    frame = collect([results]).frame
    keys = ["identity", "score", "metric", "class"]
    assert not frame.duplicated(keys).any()
    overall = frame[frame["class"] == "all"]
    assert overall.groupby("identity").size().nunique() == 1
    assert set(overall["score"]) == {"combined", "coarse", "fine", "events", "events_clean", "cost"}
    assert {"benchmark", "seed", "modalities", "model.acp", "loss.lambda_contrast", "select"} <= set(
        config_columns(frame)
    )


def test_a_peer_has_no_settings_of_our_network(results_bank: Path, tmp_path: Path) -> None:
    make_run(tmp_path, results_bank, ["model.name=rtfm", "modalities=v", "data.balanced=on"])
    columns = config_columns(collect([tmp_path]).frame)
    assert {"model.name", "model.text.weights", "peers.rtfm.margin"} <= set(columns)
    assert not [c for c in columns if c.startswith(("loss.", "model.acp", "model.dropout"))]


def test_values_are_those_of_the_reports(results: Path) -> None:
    frame = collect([results]).frame
    for path, rows in frame.groupby("path"):
        report = json.loads((Path(str(path)) / "report.json").read_text())
        row = rows[(rows["score"] == "combined") & (rows["metric"] == "ap") & (rows["class"] == "all")].iloc[0]
        assert row["value"] == report["scores"]["combined"]["ap"]
        assert row["unit"] == "fraction"
        mean = rows[(rows["score"] == "events") & (rows["metric"] == "map_avg") & (rows["class"] == "all")].iloc[0]
        assert mean["value"] == report["map"]["published"]["mean"] or (pd.isna(mean["value"]) and mean["reason"])


def test_what_is_missing_has_a_reason_and_is_no_nan(results: Path) -> None:
    frame = collect([results]).frame
    missing = frame[frame["value"].isna()]
    assert len(missing)
    assert missing["reason"].notna().all()
    assert frame.loc[frame["value"].notna(), "reason"].isna().all()
    assert not any(isinstance(value, float) and np.isnan(value) for value in frame["value"].tolist())


def test_parquet_gives_the_same_frame_back(results: Path, tmp_path: Path) -> None:
    frame = collect([results]).frame
    parquet, csv = write_frame(frame, tmp_path)
    pd.testing.assert_frame_equal(pd.read_parquet(parquet), frame)
    assert len(pd.read_csv(csv)) == len(frame)


def test_broken_and_unfinished_folders_are_left_out_and_named(results_bank: Path, tmp_path: Path) -> None:
    good = make_run(tmp_path, results_bank)
    cases = {
        "not_json": "{",
        "no_scores": json.dumps({"identity": "x", "schema": 1, "bank_hash": "b", "config": {}}),
        "list": "[]",
    }
    nan = json.loads(good.report.read_text())
    nan["identity"], nan["scores"]["combined"]["ap"] = "nan", float("nan")
    cases["nan"] = json.dumps(nan)
    for name, text in cases.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(text)
    killed = tmp_path / "killed"
    shutil.copytree(good.path, killed)
    (killed / "report.json").unlink()
    found = collect([tmp_path])
    assert found.runs == 1
    assert found.unfinished == (killed,)
    assert {path.name for path, _ in found.broken} == set(cases)
    assert all(reason for _, reason in found.broken)


def test_an_unfinished_run_of_a_users_benchmark_is_one_of_that_benchmark(tmp_path: Path, results_bank: Path) -> None:
    make_run(tmp_path, results_bank)
    config = load_config([Path("small")], [f"benchmark={write_own(tmp_path / 'own')}", "seed=3"])
    killed = RunFolder(tmp_path / "killed")
    killed.path.mkdir()
    killed.config.write_text(dump(config))
    killed.manifest.write_text("{}")
    (told,) = collect([tmp_path]).unfinished_configs
    assert (told["benchmark"], told["seed"], told["model.name"]) == ("yard", 3, "dual_stream")


def test_a_copy_without_scores_does_not_stand_in_for_the_run(results_bank: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "z", results_bank)
    pulled = tmp_path / "a" / run.path.name
    pulled.mkdir(parents=True)
    shutil.copy(run.report, pulled)
    found = collect([tmp_path / "a", tmp_path / "z"])
    assert found.copies == (pulled,)
    assert set(found.frame["path"]) == {str(run.path)}
    alone = collect([tmp_path / "a"]).frame
    assert alone["device"].isna().all()
    assert alone.dtypes.equals(found.frame.dtypes)


def test_no_run_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="mmvad sweep run modalities"):
        collect([tmp_path])
    with pytest.raises(UserError, match="no such results folder"):
        collect([tmp_path / "nowhere"])


def test_a_run_of_an_unknown_benchmark_is_broken_alone(results_bank: Path, tmp_path: Path) -> None:
    make_run(tmp_path, results_bank)
    other = make_run(tmp_path, results_bank, seed=1)
    report = json.loads(other.report.read_text())
    report["config"]["benchmark"] = "nope"
    other.report.write_text(json.dumps(report))
    found = collect([tmp_path])
    assert found.runs == 1
    ((path, why),) = found.broken
    assert path == other.path
    assert "unknown benchmark 'nope'" in why
