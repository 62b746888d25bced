"""The experiment files of the peers: as many steps as published, and crops that a bank has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmvad.config.load import load_config, plain
from mmvad.config.schema import Config
from mmvad.data.sampling import EpochSampler
from mmvad.tables.frame import flat
from mmvad.tables.marks import quirks_of

EXPERIMENTS = Path(__file__).resolve().parents[3] / "experiments"
BASES = {"ucf": "ucf_crime", "xd": "xd_violence"}
VIDEOS = {"ucf": (810, 800), "xd": (1905, 2049)}
"""Abnormal and normal training videos."""


def shipped(file: str) -> Config:
    base = BASES[file.rsplit("_", 1)[1]]
    return load_config([EXPERIMENTS / f"{base}.yaml", EXPERIMENTS / "peers" / f"{file}.yaml"], [])


def epoch(file: str, crops: int) -> EpochSampler:
    """The batches of an epoch on the benchmark's own videos, of so many crops."""
    config = shipped(file)
    rows = crops if config.data.crops == "rows" else 1
    abnormal = np.repeat([True, False], VIDEOS[file.rsplit("_", 1)[1]])
    return EpochSampler(np.repeat(abnormal, rows), config.data.batch_size, 0, config.data.balanced)


@pytest.mark.parametrize(
    ("file", "crops", "steps"),
    [
        ("sultani_ucf", 10, 20_000),
        ("sultani_xd", 5, 20_000),
        ("rtfm_ucf", 10, 15_000),
        ("rtfm_xd", 5, 15_000),
        ("s3r_ucf", 10, 15_000),
        ("s3r_xd", 5, 15_000),
        ("mgfn_ucf", 10, 50_000),
        ("mgfn_xd", 5, 50_000),
        ("clip_tsa_ucf", 1, 4_000),
        ("clip_tsa_xd", 1, 4_000),
        ("wsal_ucf", 10, 13_000),
        ("wsal_xd", 5, 13_000),
        ("bn_wvad_ucf", 10, 1_000),
        ("bn_wvad_xd", 5, 1_000),
        ("ur_dmu_ucf", 10, 3_000),
        ("ur_dmu_xd", 5, 3_000),
        ("mavd_xd", 5, 1_000),
    ],
)
def test_published_steps_as_the_nearest_number_of_epochs(file: str, crops: int, steps: int) -> None:
    assert shipped(file).optim.epochs == round(steps / len(epoch(file, crops)))


def test_vadclips_epochs() -> None:
    """UCF-Crime: published 125 steps of 64 + 64, what is left over is dropped there; XD-Violence: 412."""
    sizes = [len(rows) for rows in epoch("vadclip_ucf", 10)]
    assert (len(sizes), sizes[-1]) == (127, 72)
    assert len(epoch("vadclip_xd", 10)) == len(epoch("avadclip_xd", 10)) == 412


@pytest.mark.parametrize("file", sorted(p.stem for p in (EXPERIMENTS / "peers").glob("*_ucf.yaml")))
def test_only_vadclip_is_tested_on_a_crop_that_not_every_bank_has(file: str) -> None:
    """UCF-Crime's base file has crop 5, which a bank of one crop lacks."""
    assert shipped(file).data.test_crop == (5 if file == "vadclip_ucf" else 0)


PUBLISHED = {
    "hl_net": ("last", ["all_crops=True", "trapezoid_ap=True"]),
    "macil_sd": ("best_test", ["all_crops=True", "trapezoid_ap=True", "swapped=True"]),
    "rtfm": ("best_test", ["all_crops=True", "trapezoid_ap=True"]),
    "s3r": ("best_test", ["all_crops=True"]),
    "clip_tsa": ("best_test", ["trapezoid_ap=True"]),
    "cma_la": ("best_test", ["all_crops=True", "trapezoid_ap=True"]),
    "hyper_vd": ("best_test", ["all_crops=True", "trapezoid_ap=True"]),
    "mavd": ("best_test", ["all_crops=True", "trapezoid_ap=True", "matching=gathered", "distance=columns"]),
    "msbt": ("best_test", ["all_crops=True", "trapezoid_ap=True"]),
    "mgfn": ("best_test", ["all_crops=True", "trapezoid_ap=True"]),
    "ur_dmu": ("best_test", ["all_crops=True", "trapezoid_ap=True", "distance=columns"]),
    "wsal": ("best_test", []),
    "plovad": ("best_test", ["trapezoid_ap=True", "norm=time"]),
    "c2fpl": ("last", ["all_crops=True", "trapezoid_ap=True"]),
    "dsanet": ("best_test", ["reload_best=True", "class_names=published"]),
    "lagovad": ("best_test", []),
    "bn_wvad": ("best_test", ["all_crops=True", "trapezoid_ap=True", "distance=columns"]),
    "vadclip": ("best_test", ["reload_best=True", "weighting=logit", "class_names=published"]),
    "avadclip": ("best_test", ["reload_best=True", "learned_focus=True"]),
    "pel4vad_xd": ("best_test", ["all_crops=True", "smoothing=blocks_8", "trapezoid_ap=True"]),
    "pel4vad_ucf": ("best_test", ["all_crops=True", "smoothing=next_7", "trapezoid_ap=True", "norm=time"]),
}
"""What each `NAME_as_published.yaml` switches on: which checkpoint is reported, and the marks of the row."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_as_published(name: str) -> None:
    """Each lies over the method's files, and tables mark all that it switches on."""
    select, marks = PUBLISHED[name]
    overlay = EXPERIMENTS / "peers" / f"{name}_as_published.yaml"
    files = sorted((EXPERIMENTS / "peers").glob(f"{name}.yaml" if name.startswith("pel") else f"{name}_*.yaml"))
    files = [file for file in files if not file.stem.endswith("published")]
    assert files
    for file in files:
        config = load_config([file, overlay])
        assert (config.select, sorted(quirks_of(flat(plain(config))))) == (select, sorted(marks))


def test_every_overlay_is_named() -> None:
    found = {p.stem.removesuffix("_as_published") for p in (EXPERIMENTS / "peers").glob("*_as_published.yaml")}
    assert found == set(PUBLISHED)
