"""The tables and the files that make them say the same: base values, and the rows of every sweep."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmvad.config.load import load_config, plain
from mmvad.sweeps.cells import expand
from mmvad.sweeps.definition import read_sweep
from mmvad.tables.definitions import usual
from mmvad.tables.frame import flat
from mmvad.tables.results import matches
from mmvad.tables.studies import STUDIES, Study

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ("planted", "xd_violence", "ucf_crime")
SWEEPS = {
    "VI": "modalities",
    "VII": "components",
    "VIII": "acp",
    "IX": "losses",
    "Xa": "lambda_contrast",
    "Xb": "lambda_embed",
    "XIa": "segments",
    "XIb": "learning_rate",
    "XII": "batch_size",
    "Fig5": "prompts",
}


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_base_values_are_those_of_the_experiments_file(benchmark: str) -> None:
    written = flat(plain(load_config([ROOT / "experiments" / f"{benchmark}.yaml"])))
    no_settings = {"benchmark", "seed", "data.bank"}
    wanted = {k: v for k, v in written.items() if k not in no_settings and not k.startswith("runtime.")}
    assert dict(usual(benchmark)) == wanted


@pytest.mark.parametrize("benchmark", BENCHMARKS)
@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.key)
def test_a_sweep_fills_every_row_of_its_table(study: Study, benchmark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    sweep = read_sweep(ROOT / "sweeps" / f"{SWEEPS.get(study.key, study.key)}.yaml", benchmark)
    cells = [flat(plain(config)) for _, config in expand(sweep)]
    rows = [row for row in study.rows(benchmark) if not row.silent]
    assert [row.label for row in rows if not any(matches(cell, row.settings) for cell in cells)] == []
    assert all(any(matches(cell, row.settings) for row in rows) for cell in cells), "a cell that is in no row"
