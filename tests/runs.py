"""Runs of the whole pipeline on a small bank, in a second or two: settings, command lines, what they leave."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from mmvad.cli.main import main
from mmvad.config.load import load_config
from mmvad.config.schema import Config
from mmvad.runs import RunFolder

SMALL = (
    "model.text.architecture=tiny",
    "model.text.weights=random",
    "model.prompt_half=2",
    "model.window=8",
    "model.dropout=0.3",
    "data.segment_length=16",
    "data.batch_size=8",
    "optim.learning_rate=1e-3",
    "optim.epochs=3",
    "runtime.device=cpu",
    "runtime.threads=1",
    "runtime.resident=ram",
    "runtime.figures=off",
)
MEASURED = "data.validation_share=0.3"


def overrides(bank: Path, results: Path, *more: str) -> list[str]:
    return [*SMALL, f"data.bank={bank}", f"runtime.results={results}", *more]


def configured(bank: Path, results: Path, *more: str) -> Config:
    return load_config([], overrides(bank, results, *more))


def arguments(bank: Path, results: Path, *more: str) -> list[str]:
    return ["train", *(f"--{text}" for text in overrides(bank, results, *more))]


def report(folder: RunFolder) -> dict[str, Any]:
    return json.loads(folder.report.read_text())


def epochs(folder: RunFolder) -> list[dict[str, float]]:
    with open(folder.epochs, newline="") as lines:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(lines)]


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "mmvad", *map(str, words)]


def refusal(capsys: pytest.CaptureFixture[str], words: list[str]) -> str:
    """The error of a command that must end with code 2."""
    capsys.readouterr()
    code = main(words)
    text = capsys.readouterr().err
    assert code == 2, text
    assert text.startswith("mmvad: error: ")
    assert "Traceback" not in text
    return text
