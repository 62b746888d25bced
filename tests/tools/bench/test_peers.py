"""Rows of peers: beside the step over padding and, from a checkout, beside public code, which sees the same batch."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mmvad.models.peers.registry import PEERS
from tools.bench.__main__ import main
from tools.bench.checkouts import cuda_is_the_cpu, modules
from tools.bench.peers import CASES, METHODS, drawn_videos, peer_rows
from tools.bench.public import PUBLIC


def test_a_row_says_what_padding_costs(tmp_path: Path) -> None:
    """Its checkout is not there: no row beside public code."""
    (row,) = peer_rows(True, 1, public=tmp_path, methods=("hl_net",))
    assert row.name == "HL-Net 2020, 4"
    assert row.plain_flops is not None
    assert row.plain_flops > row.flops > 0
    assert row.wanted is None


def test_every_case_is_a_peer_with_a_checkout() -> None:
    assert set(METHODS) == set(PUBLIC)
    assert set(METHODS) <= set(PEERS)


def test_normal_videos_come_first_with_their_crops() -> None:
    case = replace(next(case for case in CASES if case.crops > 1), size=4, crops=2, visual=8)
    made = drawn_videos(case, 3)
    assert made.visual.shape == (8, 32, 8)
    assert made.abnormal.tolist() == 4 * [False] + 4 * [True]
    assert bool(made.mask.all())
    assert torch.equal(made.visual[0], made.visual[1])


def test_modules_of_a_checkout_see_each_other_and_no_one_else_them(tmp_path: Path) -> None:
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        helpers = (
            folder / "helpers.py" if name == "second" else folder / "helpers" / "sizes.py"
        )  # a module, or a bare folder
        helpers.parent.mkdir(exist_ok=True)
        helpers.write_text("def size(): return 2\n")
        (folder / "layers.py").write_text(f"NAME = {name!r}\n")
        (folder / "model.py").write_text(
            "import ipdb\nfrom layers import NAME\n"
            f"from helpers{'.sizes' if name == 'first' else ''} import size\ndef moved(x): return x.cuda().to('cuda')\n"
        )
    with cuda_is_the_cpu():
        found = [modules(tmp_path / name, "model")[0] for name in ("first", "second")]
        assert found[0].moved(torch.ones(1)).device.type == "cpu"
        assert torch.ones(1).to(torch.float64).dtype == torch.float64
    assert [module.NAME for module in found] == ["first", "second"]
    assert not {"model", "layers", "ipdb", "helpers"} & set(sys.modules)


def test_a_missing_folder_and_an_unknown_method_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for option, value in (("--public", "no/such"), ("--methods", "hl_nett")):
        with pytest.raises(SystemExit) as end:
            main(["--only", "peers", option, value])
        assert end.value.code == 2
        assert value in capsys.readouterr().err
