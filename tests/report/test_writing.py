"""`mmvad report` from the command line, and its page in a browser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmvad.cli.main import main
from tests.tables.made_up import make_bank, make_run


@pytest.fixture(scope="module")
def out(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    assert main(["report", str(results), "--out", str(folder), "--resamples", "100"]) == 0
    return folder


def test_everything_is_written(out: Path) -> None:
    for name in ("report.html", "tables.md", "results.parquet", "results.csv", "tables/table_VI_planted.tex"):
        assert (out / name).stat().st_size > 0
    figures = {"fig5_planted.png", "fig6_planted.svg", "fig7_planted.png", "lambdas_planted.svg"}
    assert figures <= {path.name for path in (out / "figures").iterdir()}


def test_the_page_asks_nothing_of_the_network(out: Path) -> None:
    page = (out / "report.html").read_text()
    assert not re.search(r"https?://", page)
    assert "<script" not in page
    assert "@import" not in page
    assert all(source.startswith("data:") for source in re.findall(r'(?:src|href)="([^#"][^"]*)"', page))
    assert all(f'id="{anchor}"' in page for anchor in re.findall(r'href="#([^"]+)"', page))
    assert "mmvad sweep run modalities --benchmark planted" in page
    assert "nan" not in re.sub(r"base64,[^\"]*", "", page).lower().replace("planted", "")


def test_the_terminal_shows_what_has_rows(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(results), "--out", str(tmp_path), "--tables", "VI,IX", "--resamples", "0"]) == 0
    text = capsys.readouterr().out
    assert "Table VI. Modalities (Planted)" in text
    assert "Table IX" in text
    assert "Table VIII" not in text
    assert "24 finished runs of planted" in text
    assert str(tmp_path / "report.html") in text


def test_a_table_that_was_asked_for_is_shown_without_rows_too(
    results_bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what makes its rows: nothing stood there, as if the run had not been read."""
    run = make_run(tmp_path / "runs", results_bank, ["modalities=v"])
    words = ["report", str(run.path), "--out", str(tmp_path / "out"), "--tables", "use", "--resamples", "0"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "Methods in use" in text
    assert "missing: ours (V+A+T); run `mmvad sweep run compare --benchmark planted`" in " ".join(text.split())


def test_a_report_is_of_the_runs_that_set_names(
    results_bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for changes in ([], ["modalities=v"]):
        make_run(tmp_path, results_bank, changes)
        make_run(tmp_path, results_bank, [*changes, "optim.epochs=2"])
    sweep = tmp_path / "mine.yaml"
    sweep.write_text("{program: mmvad, method: grid, parameters: {modalities: {values: [v, vat]}}}")
    told = ["report", str(tmp_path), "--resamples", "0", "--tables", f"VI,{sweep}", "--set", "optim.epochs=2"]
    assert main(told) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "settings other than those of experiments/planted.yaml: optim.epochs=2" in text
    assert "Table. Sweep mine (Planted)" in text
    assert (tmp_path / "report" / "tables" / "table_sweep_mine_planted.md").is_file()
    assert main([*told, "nonsense"]) == 2
    assert "'nonsense' is no assignment" in capsys.readouterr().err


def test_one_run_is_counted_in_the_singular(
    results_bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, results_bank)
    assert main(["report", str(tmp_path), "--resamples", "0", "--tables", "VI"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "1 finished run of planted" in text
    assert "run more seeds (--seeds; make: SEEDS=)" in text


def test_a_bank_that_is_not_there_is_said(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(results), "--out", str(tmp_path / "out"), "--bank", str(tmp_path / "nowhere")]) == 2
    assert "nowhere: no such folder\n  expected: a bank" in capsys.readouterr().err
    assert not (tmp_path / "out" / "report.html").exists()


def test_the_report_lies_with_its_runs(results_bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("x", "y", "runs"):
        make_run(tmp_path / folder, results_bank)
    assert main(["report", "x", "y", "--resamples", "0", "--tables", "VI"]) == 0
    assert (tmp_path / "x" / "report" / "report.html").is_file()
    assert not (tmp_path / "y" / "report").exists()
    assert not (tmp_path / "runs" / "report").exists()
    assert main(["report", "--resamples", "0", "--tables", "VI"]) == 0
    assert (tmp_path / "runs" / "report" / "report.html").is_file()


def test_our_row_alone_stands_out_among_the_methods(results_bank: Path, tmp_path: Path) -> None:
    make_run(tmp_path / "runs", results_bank)
    make_run(tmp_path / "runs", results_bank, ["model.name=vadclip", "modalities=vt"])
    out = tmp_path / "out"
    assert main(["report", str(tmp_path / "runs"), "--out", str(out), "--resamples", "0", "--tables", "methods"]) == 0
    page = (out / "report.html").read_text()
    assert len(re.findall(r"<tr[^>]*>.*VadCLIP 2024", page)) == 1
    assert re.findall(r'<tr class="ours"><td class="lead">([^<]*)<', page) == ["ours"]


def test_a_benchmark_without_shipped_settings_has_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "demo_clips.yaml").write_text("benchmark: demo_clips\nmodel: {text: {architecture: tiny}}\n")
    monkeypatch.setattr("tests.tables.made_up.BASES", tmp_path)
    make_bank(tmp_path / "bank", "demo_clips")
    make_run(tmp_path / "runs", tmp_path / "bank")
    assert main(["report", str(tmp_path / "runs"), "--resamples", "0"]) == 0
    assert "settings other" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tables", "XIV"], "unknown table"),
        (["--benchmark", "xd"], "unknown benchmark"),
        (["--benchmark", "ucf_crime"], "mmvad sweep run modalities --benchmark ucf_crime"),
    ],
)
def test_wrong_arguments_end_with_a_message(
    arguments: list[str], message: str, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(results), "--out", str(tmp_path), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_no_runs_says_what_to_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path)]) == 2
    assert "mmvad sweep run modalities" in capsys.readouterr().err


def test_no_torch_is_imported() -> None:
    code = "import sys, mmvad.report.writing, mmvad.cli.report; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
def test_the_page_opens_without_an_error(out: Path, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        assert not os.environ.get("CI"), "CI needs Debian's package chromium"
        pytest.skip("the Debian package chromium is not installed")
    switches = "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking"
    switches += " disable-component-update disable-sync dump-dom"
    command = [chromium, *(f"--{switch}" for switch in switches.split()), f"--user-data-dir={tmp_path}"]
    # The page's own requests would fail, and say so: nothing resolves.
    command += ["--enable-logging=stderr", "--host-resolver-rules=MAP * ~NOTFOUND", (out / "report.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr
    assert "ERR_" not in done.stderr
    assert done.stdout.count("<img") == 5
    assert "Table VI. Modalities" in done.stdout
