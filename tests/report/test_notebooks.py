"""The notebooks: stripped of outputs, and they run from top to bottom on a small results folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import mmvad
from tests.small import write_bank
from tests.tables.made_up import make_bank, make_runs

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = ["ablation_grid", "features", "qualitative"]


def cells(notebook: Path, kind: str) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == kind]


def test_all_are_there() -> None:
    assert [notebook.stem for notebook in NOTEBOOKS] == NAMES


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_outputs_are_stripped(notebook: Path) -> None:
    """Outputs in the repository are large, and soon no longer true: `jupyter nbconvert --clear-output --inplace`."""
    for cell in cells(notebook, "code"):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
    assert set(json.loads(notebook.read_text())["metadata"]) == {"kernelspec", "language_info"}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda notebook: notebook.stem)
def test_parameters_come_first_and_the_rest_is_thin(notebook: Path) -> None:
    first, *others = cells(notebook, "code")
    assert first["metadata"] == {"tags": ["parameters"]}
    assert "os.environ.get(" in "".join(first["source"])
    for cell in others:
        source = "".join(cell["source"])
        assert len(cell["source"]) <= 14
        assert not any(word in source for word in ("def ", "os.environ", "'../", '"../'))


def run(notebook: Path, environment: dict[str, str], position: Path = ROOT) -> list[dict[str, Any]]:
    """All outputs of a notebook whose kernel was started in `place` and that ran to its end."""
    try:
        import ipykernel  # noqa: F401
        import nbformat
        from nbclient import NotebookClient
    except ImportError as error:
        assert not os.environ.get("CI"), "CI needs nbclient and ipykernel"
        pytest.skip(f"{error}: pip install 'mmvad[notebooks]'")
    book = nbformat.read(notebook, as_version=4)
    nbformat.validate(book)
    path = os.pathsep.join([str(Path(mmvad.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    client = NotebookClient(book, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(position)}})
    client.execute(env={**os.environ, "PYTHONPATH": path, **environment})
    return [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]


def pictures(outputs: list[dict[str, Any]]) -> int:
    """How many pictures are seen: Jupyter shows the HTML of an output that has it."""
    return sum("<img " in output.get("data", {}).get("text/html", "") for output in outputs)


def text(outputs: list[dict[str, Any]]) -> str:
    return "\n".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ablation_grid", "qualitative"])
def test_a_notebook_of_results_runs(name: str, results: Path, tmp_path: Path) -> None:
    outputs = run(ROOT / "notebooks" / f"{name}.ipynb", {"MMVAD_RESULTS": str(results), "MMVAD_FIGURES": str(tmp_path)})
    assert pictures(outputs) == {"ablation_grid": 2, "qualitative": 4}[name]
    assert not any("Not drawn" in str(output) for output in outputs)
    wanted = {"ablation_grid": ("24 runs of planted", "by_chance"), "qualitative": ("without ACP", "mistaken")}
    assert all(word in text(outputs) for word in wanted[name])
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".svg"}


@pytest.mark.slow
def test_the_notebook_of_features_runs(tmp_path: Path) -> None:
    bank = write_bank(tmp_path / "bank")
    outputs = run(
        ROOT / "notebooks" / "features.ipynb", {"MMVAD_BANK": str(bank), "MMVAD_FIGURES": str(tmp_path / "figures")}
    )
    assert pictures(outputs) == 3
    assert "test: 8 videos" in text(outputs)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with `runs`, made from a bank at another place, and `notebooks`, where Jupyter starts its kernels."""
    make_bank(tmp_path / "made")
    make_runs(tmp_path / "runs", tmp_path / "made", [([], 2.6), (["model.acp=none"], 2.2)], seeds=1)
    for name in ("banks", "notebooks"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.mark.slow
def test_scores_find_their_bank_from_the_folder_of_notebooks(project: Path) -> None:
    (project / "made").rename(project / "banks" / "planted")
    outputs = run(ROOT / "notebooks" / "qualitative.ipynb", {}, project / "notebooks")
    assert pictures(outputs) == 4


@pytest.mark.slow
def test_a_bank_that_is_not_found_is_asked_for(project: Path) -> None:
    (project / "made").rename(project / "elsewhere")
    with pytest.raises(Exception, match="set MMVAD_BANKS=DIR"):
        run(ROOT / "notebooks" / "qualitative.ipynb", {}, project / "notebooks")
    outputs = run(
        ROOT / "notebooks" / "qualitative.ipynb", {"MMVAD_BANKS": str(project / "elsewhere")}, project / "notebooks"
    )
    assert pictures(outputs) == 4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["planted", "planted-0"])
def test_the_bank_that_is_there_is_looked_at(name: str, project: Path) -> None:
    write_bank(project / "banks" / name)
    outputs = run(ROOT / "notebooks" / "features.ipynb", {}, project / "notebooks")
    assert "test: 8 videos" in text(outputs)


@pytest.mark.slow
def test_without_runs_a_notebook_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="mmvad sweep run modalities"):
        run(NOTEBOOKS[0], {"MMVAD_RESULTS": str(tmp_path)})
