"""`mmvad sweep`: real cells on a tiny bank, the lists, W&B's copy, pull, and what is refused."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mmvad.cli.main import main
from mmvad.config.load import load_config
from mmvad.runs import RunFolder
from mmvad.sweeps.cells import Resolver, expand
from mmvad.sweeps.definition import read_sweep
from mmvad.training.prepare import prepare
from mmvad.training.train import train
from tests.runs import SMALL
from tests.small import write_bank
from tests.sweeps.wandb_format import violations

ROOT = Path(__file__).resolve().parents[2]
QUICK = [word for word in SMALL if not word.startswith("optim.epochs")]


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bank(tmp_path_factory.mktemp("banks") / "planted")


@pytest.fixture
def sweep_file(tmp_path: Path) -> Path:
    file = tmp_path / "pair.yaml"
    content = {
        "program": "mmvad",
        "command": ["${env}", "${program}", "train", "--config=experiments/planted.yaml", "${args}"],
        "method": "grid",
        "metric": {"name": "test/ap", "goal": "maximize"},
        "parameters": {"benchmark": {"value": "planted"}, "seed": {"value": 0}, "modalities": {"values": ["v", "va"]}},
    }
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def words(verb: str, file: Path, bank: Path, results: Path, *more: str) -> list[str]:
    given = [*QUICK, "optim.epochs=1", f"data.bank={bank}"]
    return ["sweep", verb, str(file), "--results", str(results), "--set", *given, *more]


def refusal(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    capsys.readouterr()
    assert main(arguments) == 2
    text = capsys.readouterr().err
    assert "Traceback" not in text
    return text


@pytest.mark.slow
def test_a_real_sweep_from_the_dry_run_to_the_pull(
    sweep_file: Path, bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "runs"
    assert main(words("run", sweep_file, bank, results, "--dry-run")) == 0
    assert "2 cells on planted: 2 new" in capsys.readouterr().out
    assert not results.exists()
    assert main(words("run", sweep_file, bank, results, "--workers", "1")) == 0
    text = capsys.readouterr().out
    assert "2 of 2 cells finished (0 before), 0 failed" in text
    assert "Table. Sweep pair (Planted)" in text
    assert {path.name for path in (results / "report" / "sweeps").iterdir()} == {
        f"pair_planted.{form}" for form in ("md", "tex", "csv")
    }
    folders = [RunFolder(path.parent) for path in sorted(results.glob("*/report.json"))]
    assert [json.loads(folder.report.read_text())["config"]["modalities"] for folder in folders] == ["v", "va"]
    alone = train(load_config([folders[0].config], [f"runtime.results={tmp_path / 'alone'}"]))
    assert alone.report.read_bytes() == folders[0].report.read_bytes(), "a sweep's run is `mmvad train`'s run"
    assert main(words("run", sweep_file, bank, results)) == 0
    assert "2 of 2 cells finished (2 before), 0 failed" in capsys.readouterr().out
    assert main(words("status", sweep_file, bank, results)) == 0
    assert "2 cells on planted: 2 done" in capsys.readouterr().out
    other = tmp_path / "other"
    assert main(["sweep", "pull", "--results", str(other), "--storage", str(results / "sweeps.db")]) == 0
    assert "2 reports pulled, 0 were here" in capsys.readouterr().out
    for folder in folders:
        pulled = RunFolder(other / folder.path.name)
        assert pulled.report.read_bytes() == folder.report.read_bytes()
        assert load_config([pulled.config]) == load_config([folder.config])
    assert main(words("status", sweep_file, bank, other)) == 0
    assert "2 done" in capsys.readouterr().out
    third = ["--storage", str(results / "sweeps.db")]
    assert main(words("run", sweep_file, bank, tmp_path / "third", *third)) == 0
    text = capsys.readouterr().out
    assert "2 reports of other machines pulled" in text
    assert "without interval: one seed, and a run's scores.npz is not here" in " ".join(text.split())


@pytest.mark.slow
def test_cells_that_fail_are_marked_and_mended(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One has a file where its folder should be, one a loss that is not finite; the third trains."""
    file, results = tmp_path / "rates.yaml", tmp_path / "runs"
    file.write_text(
        "{program: mmvad, method: grid, "
        "command: [train, --config=experiments/planted.yaml, --optim.schedule=constant, '${args}'],"
        "parameters: {seed: {value: 0}, optim.learning_rate: {values: [0.002, 0.001, 1.0e+30]}}}"
    )
    given = [word for word in QUICK if "learning_rate" not in word]
    given += ["optim.epochs=1", f"data.bank={bank}"]
    run = ["sweep", "run", str(file), "--results", str(results), "--set", *given]
    sweep = read_sweep(file)
    blocked = Resolver().cells(sweep, expand(sweep, [*given, f"runtime.results={results}"]))[0].folder.path
    results.mkdir()
    blocked.write_text("a file")
    assert main(run) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert "1 of 3 cells finished (0 before), 2 failed" in text
    assert "failed: 0.002 (seed 0): " in text
    assert "failed: 1e+30 (seed 0): " in text, text
    table = results / "report" / "sweeps" / "rates_planted.md"
    assert table.read_text().count("| failed |") == 2
    blocked.unlink()
    assert main([*run, "--retry-failed"]) == 1
    assert "2 of 3 cells finished (1 before), 1 failed" in capsys.readouterr().out
    assert table.read_text().count("| failed |") == 1


def test_the_resolver_gives_the_trainers_identity(sweep_file: Path, bank: Path, tmp_path: Path) -> None:
    file = tmp_path / "more.yaml"
    file.write_text(sweep_file.read_text().replace("- va", "- vat"))
    sweep = read_sweep(file)
    expanded = expand(sweep, [*QUICK, f"data.bank={bank}"])
    cells = Resolver().cells(sweep, expanded)
    assert [cell.identity for cell in cells] == [prepare(config).identity for _, config in expanded]
    assert [cell.folder.path for cell in cells] == [prepare(config).folder.path for _, config in expanded]


def test_rows_that_come_to_the_same_are_one_cell(sweep_file: Path, bank: Path) -> None:
    sweep = read_sweep(sweep_file)
    assert len(Resolver().cells(sweep, expand(sweep, [f"data.bank={bank}", "modalities=v"]))) == 1


def test_a_dry_run_without_a_bank_lists_the_cells(
    sweep_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words("run", sweep_file, tmp_path / "nobank", tmp_path / "runs", "--dry-run")) == 0
    text = capsys.readouterr().out
    assert "modalities v\n" in text
    assert "there is no bank" in text


def test_what_is_swept_and_not_read_is_said(tmp_path: Path, bank: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "layers.yaml"
    file.write_text(
        "program: mmvad\nmethod: grid\nparameters:\n  model.name: {value: rtfm}\n  modalities: {value: v}\n"
        "  data.balanced: {value: true}\n  model.layers: {values: [1, 2, 3]}\n"
    )
    assert main(words("run", file, bank, tmp_path / "runs", "--dry-run")) == 0
    said = capsys.readouterr().out
    assert "note: rtfm does not read model.layers; rows that differ in nothing else are one" in said
    assert "1 cells on planted" in said


def test_wandbs_copy_runs_the_same_cells(
    sweep_file: Path, bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "copy.yaml"
    arguments = words("wandb", sweep_file, bank, tmp_path / "runs", "--seeds", "3,4", "--out", str(out))
    assert main([*arguments, "--benchmark", "planted"]) == 0
    content = yaml.safe_load(out.read_text())
    way_on = shlex.split(capsys.readouterr().out.partition("without W&B: ")[2])
    assert main([*way_on[1:], "--dry-run"]) == 0
    assert "4 cells on planted: 4 new" in capsys.readouterr().out, "the same bank, seeds and settings"
    given = arguments[5 : arguments.index("--seeds")]
    named = ["mmvad", "sweep", "run", str(sweep_file), "--benchmark", "planted"]
    assert way_on == [*named, *arguments[3:5], "--seeds", "3,4", *given]
    assert violations(content) == []
    assert content["parameters"]["seed"] == {"values": [3, 4]}
    sweep = read_sweep(sweep_file, "planted", (3, 4))
    ours = expand(sweep, arguments[arguments.index("--set") + 1 : arguments.index("--seeds")])
    for (values, config), results in zip(ours, [tmp_path / "runs"] * 4):
        command = agent_command(content, values)
        assert command[:3] == ["/usr/bin/env", "mmvad", "train"]
        agents = load_config(
            [Path(word.removeprefix("--config=")) for word in command if word.startswith("--config=")],
            [word.removeprefix("--") for word in command[3:] if not word.startswith("--config=")],
        )
        assert agents.model_copy(update={"runtime": config.runtime}) == config
        assert agents.runtime.results == results


def agent_command(content: dict, values: dict) -> list[str]:
    """What `wandb agent` makes of `command`: macros filled in, `--key=value` for every parameter."""
    filled = {"${env}": ["/usr/bin/env"], "${program}": [content["program"]]}
    filled["${args}"] = [f"--{key}={value}" for key, value in values.items()]
    return [part for word in content["command"] for part in filled.get(word, [word])]


def test_without_wandb_the_way_on_is_said(
    sweep_file: Path, bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    for name, value in {
        "WANDB_BASE_URL": "http://127.0.0.1:9",
        "WANDB_API_KEY": "0" * 40,
        "WANDB_HTTP_TIMEOUT": "1",
        "HOME": str(tmp_path),
        "WANDB_DIR": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, value)
    from mmvad.sweeps import agents

    monkeypatch.setattr(agents, "CREATE_SECONDS", 5.0)
    text = refusal(capsys, words("wandb", sweep_file, bank, tmp_path / "runs", "--agent"))
    assert "W&B did not take the sweep" in text
    assert f"mmvad sweep run {sweep_file}" in text
    assert f"--results {tmp_path / 'runs'} --set {QUICK[0]}" in text


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["sweep", "run", "sweeps/modalites.yaml"], "did you mean: sweeps/modalities.yaml?"),
        (["sweep", "run", "sweeps/modalities.yaml", "--benchmark", "xd"], "xd"),
        (["sweep", "run", "sweeps/modalities.yaml", "--set", "seed"], "'seed' is no assignment"),
        (["sweep", "run", "sweeps/modalities.yaml", "--set", "model.apc=pre"], "did you mean: model.acp?"),
        (["sweep", "run", "sweeps/modalities.yaml", "--set", "data.bank=/nowhere"], "there is no bank"),
        (["sweep", "run", "sweeps/modalities.yaml", "--frobnicate"], "unknown option '--frobnicate'"),
        (["sweep", "pull", "--storage", "nowhere.db"], "no sweep has been run here"),
        (["sweep", "pull", "--storage", "mysql://x"], "is no database that mmvad knows"),
    ],
)
def test_what_is_refused(arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert named in refusal(capsys, arguments)


def test_help_needs_neither_optuna_nor_torch() -> None:
    code = (
        "import sys\nfrom mmvad.cli.main import build_parser\nbuild_parser()\n"
        "print([m for m in ('optuna', 'torch', 'sqlalchemy', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True)
    assert done.stdout.strip() == "[]"
