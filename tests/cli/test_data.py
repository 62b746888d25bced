from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmvad.cli.data import add_data_parser, crop_numbers
from mmvad.errors import UserError
from tests.releases.by_hand import XD_TEST, Hand


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser(prog="mmvad")
    add_data_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["data", *map(str, arguments)])
    return int(args.run(args))


def test_import_show_and_check(xd: Hand, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank = tmp_path / "bank"
    assert run("import", "xd_violence", xd.root, "--out", bank, "--dtype", "float16", "--crops", "0") == 0
    out = capsys.readouterr().out
    assert "3 training and 3 test videos" in out
    assert "content hash" in out
    assert run("show", bank) == 0
    out = capsys.readouterr().out
    assert "train: 3 videos (3 with sound), 18 snippets, crops 0" in out
    assert "dtype: visual float16, audio float16" in out
    assert run("check", "xd_violence", bank, "--lists", xd.root) == 0
    assert run("check", "xd_violence", xd.root) == 0


def test_check_exits_with_one_if_something_is_wrong(xd: Hand, capsys: pytest.CaptureFixture[str]) -> None:
    xd.visual(XD_TEST[0]).unlink()
    assert run("check", "xd_violence", xd.root) == 1
    assert "missing" in capsys.readouterr().out
    assert run("check", "xd_violence", xd.root, "--subset") == 0


def test_errors_reach_the_command_line(xd: Hand, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown benchmark 'xd'"):
        run("import", "xd", xd.root, "--out", tmp_path / "bank")
    with pytest.raises(UserError, match="there is no bank"):
        run("show", tmp_path / "bank")


@pytest.mark.parametrize("arguments", [["import", "xd_violence", "x"], [], ["check", "ucf_crime", "x", "--crops", "a"]])
def test_usage_errors_exit_with_two(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2


def test_crop_numbers() -> None:
    assert crop_numbers("5,0, 5") == (0, 5)
    for text in ("", "a", "1,", "-1", "1.5"):
        with pytest.raises(argparse.ArgumentTypeError, match="expected crop numbers"):
            crop_numbers(text)


def test_importing_the_parser_is_light() -> None:
    code = "import mmvad.cli.data, sys; print([m for m in ('numpy', 'rich', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_neither_banks_nor_benchmarks_need_torch() -> None:
    code = "import mmvad.releases.checking, mmvad.benchmarks.lists, sys; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_new_begins_with_the_facts_of_a_public_benchmark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 4), np.float32))
    assert run("new", tmp_path, "--like", "ubnormal") == 0
    assert "ubnormal.yaml: written; 4 lines marked TODO to look at" in capsys.readouterr().out
    with pytest.raises(UserError, match="did you mean: tad"):
        run("new", tmp_path, "--like", "tda")
