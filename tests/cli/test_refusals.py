"""What a run refuses: a clear message, exit code 2, and no report."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmvad.cli.main import main
from mmvad.runs import RunFolder
from tests import forked
from tests.runs import MEASURED, arguments, refusal
from tests.small import write_bank


def test_a_loss_that_is_not_finite(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = refusal(capsys, arguments(bank, tmp_path, "optim.learning_rate=1e30", "optim.schedule=constant"))
    assert "optim.learning_rate" in text
    assert not list(tmp_path.rglob("report.json"))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [0, 100, 3000, 100_000])
def test_a_full_disk(size: int, bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At the first file, at the manifest, at the checkpoint: each time a clear end, and the run can go on."""
    with largest_file(size):
        text = refusal(capsys, arguments(bank, tmp_path, "optim.epochs=1"))
    assert "no space left" in text
    assert str(tmp_path) in text
    assert not list(tmp_path.rglob("report.json"))
    assert main(arguments(bank, tmp_path, "optim.epochs=1")) == 0


@pytest.mark.slow
def test_a_full_disk_in_a_process_of_its_own(bank: Path, tmp_path: Path) -> None:
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); "
    code = limit + "from mmvad.cli.main import main; sys.exit(main(sys.argv[1:]))"
    words = [sys.executable, "-c", code, *arguments(bank, tmp_path)]
    done = forked.run(words, capture_output=True, timeout=300)
    assert done.returncode == 2, done.stderr
    assert "no space left" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert not list(tmp_path.rglob("report.json"))


@contextmanager
def as_a_user_without_rights(folder: Path) -> Iterator[None]:
    """The folder is closed to writing; root, whom nothing stops, becomes somebody else meanwhile."""
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        for part in [folder, *folder.parents]:
            if part.name.startswith(("pytest-", "popen-")):
                part.chmod(0o755)
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


def test_no_permission_to_write(finished: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bank = write_bank(tmp_path / "bank")
    results = tmp_path / "results"
    results.mkdir()
    tmp_path.chmod(0o755)
    with as_a_user_without_rights(results):
        text = refusal(capsys, arguments(bank, results))
    assert "no permission to write" in text
    assert not list(results.iterdir())


def test_results_that_are_a_file(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "results").write_text("")
    assert str(tmp_path / "results") in refusal(capsys, arguments(bank, tmp_path / "results"))


def test_a_bank_of_another_benchmark(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = refusal(capsys, arguments(bank, tmp_path, "benchmark=ucf_crime"))
    assert "is a bank of planted" in text
    assert "set benchmark=planted" in text


def test_a_missing_bank(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = refusal(capsys, arguments(bank.with_name("plantd"), tmp_path))
    assert "there is no bank" in text
    assert f"did you mean: {bank}?" in text


def test_sound_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    silent = write_bank(tmp_path / "silent", silent=["test02"])
    text = refusal(capsys, arguments(silent, tmp_path / "results"))
    assert "data.audio: test02" in text
    assert main(arguments(silent, tmp_path / "results", "optim.epochs=1", "data.audio=optional")) == 0
    mute = write_bank(tmp_path / "mute", silent=["all"])
    text = refusal(capsys, arguments(mute, tmp_path / "results", "optim.epochs=1", "data.audio=optional"))
    assert "reads sound, but" in text
    assert "modalities=vt" in text


def test_a_crop_that_the_bank_does_not_hold(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "data.test_crop: 5" in refusal(capsys, arguments(bank, tmp_path, "data.test_crop=5"))


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("model.heads=3", "model.heads"),
        ("model.text.weights=nowhere.pt", "nowhere.pt"),
        ("runtime.precision=16-mixed", "runtime.precision"),
    ],
)
def test_settings_that_do_not_fit_the_bank_or_the_machine(
    override: str, named: str, bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert named in refusal(capsys, arguments(bank, tmp_path, override))


def test_what_does_not_fit_leaves_no_run_folder(bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for override in ("data.test_crop=5", "model.heads=3"):
        refusal(capsys, arguments(bank, tmp_path / "results", override))
    assert not (tmp_path / "results").exists()


def test_a_validation_share_of_too_few_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every class has one video, so none can be held out: said before anything is trained."""
    lonely = write_bank(tmp_path / "bank", train=2)
    words = arguments(lonely, tmp_path / "results", "select=best_val", MEASURED)
    assert "data.validation_share" in refusal(capsys, words)
    assert not list(tmp_path.rglob("last.ckpt"))
