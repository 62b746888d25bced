"""The bank that a configuration names, and what of it must fit the configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmvad.bank.bank import Bank, open_bank
from mmvad.benchmarks.definition import Definition, parse_definition
from mmvad.benchmarks.registry import benchmark
from mmvad.config.schema import Config
from mmvad.errors import UserError


def bank_path(config: Config) -> Path:
    """Where the configuration's bank lies: `data.bank`, or of several folds the folder of `data.fold` in it.

    Raises UserError for a fold that the benchmark does not have, and where it has several and none is chosen.
    """
    known, fold = benchmark(config.benchmark), config.data.fold
    folds = known.folds
    if fold and fold not in folds:
        known.in_fold(fold)
    if folds and not fold:
        fix = f"set data.fold={folds[0]}, or sweep over it: data.fold: {{values: [{', '.join(folds)}]}}"
        raise UserError("data.fold", f"{known.title} has several splits and none is chosen", fix=fix)
    return config.data.bank / fold if fold else config.data.bank


def bank_of(config: Config, opened: Callable[[Path], Bank] = open_bank) -> Bank:
    """The bank at `data.bank`.

    Raises UserError where it is another benchmark's, was made when its file said otherwise, lacks a split, or has no
    sound and sound is read.
    """
    bank = opened(bank_path(config))
    if bank.benchmark != config.benchmark:
        raise UserError(
            f"data.bank: {bank.path}",
            f"is a bank of {bank.benchmark}",
            expected=f"a bank of {config.benchmark}",
            fix=f"set benchmark={bank.benchmark}, or data.bank to another bank",
        )
    _check_facts(config, bank)
    _check_splits(bank)
    if config.uses_audio and not bank.train.audio_width:
        raise UserError(
            f"modalities: {config.modalities}",
            f"reads sound, but {bank.path} has none",
            expected="a bank with sound, or modalities without A",
            fix=f"set modalities={config.modalities.replace('a', '')}",
        )
    return bank


def _check_splits(bank: Bank) -> None:
    for split, videos in (("training", bank.train.videos), ("test", bank.test.videos)):
        if not videos:
            fix = "a bank of test videos alone is for `mmvad test RUN --bank`" if split == "training" else None
            raise UserError(f"data.bank: {bank.path}", f"has no {split} video", expected="both splits", fix=fix)


def _check_facts(config: Config, bank: Bank) -> None:
    """Raises UserError where a user's benchmark has got other classes or rows since its bank was made."""
    then, now = made_for(bank), benchmark(config.benchmark)
    if then is None:
        return
    pairs = (
        ("the classes", ", ".join(then.classes), ", ".join(now.class_keys)),
        ("rows of", then.row.spelled, now.row.spelled),
    )
    for what, made, wanted in pairs:
        if made != wanted:
            raise UserError(
                f"data.bank: {bank.path}",
                f"was made when {config.benchmark} had {what} {made}",
                expected=f"{wanted}, as the benchmark's file says now",
                fix=f"import it again: mmvad data import {now.file or f'{now.name}.yaml'} --out {config.data.bank} "
                "--overwrite",
            )


def made_for(bank: Bank) -> Definition | None:
    """The user's benchmark that a bank was made for, as its file was then; None for one that comes with mmvad."""
    facts = bank.manifest.get("definition")
    return parse_definition(facts, bank.path / "manifest.json") if facts else None
