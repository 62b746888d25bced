"""The bank that a configuration names, and what of it must fit the configuration."""

from __future__ import annotations

from mmvad.bank.bank import Bank, open_bank
from mmvad.config.schema import Config
from mmvad.errors import UserError


def bank_of(config: Config) -> Bank:
    """The bank at `data.bank`. Raises UserError where it is another benchmark's, or has no sound and sound is read."""
    bank = open_bank(config.data.bank)
    if bank.benchmark != config.benchmark:
        raise UserError(
            f"data.bank: {config.data.bank}",
            f"is a bank of {bank.benchmark}",
            expected=f"a bank of {config.benchmark}",
            fix=f"set benchmark={bank.benchmark}, or data.bank to another bank",
        )
    if config.uses_audio and not bank.train.audio_width:
        raise UserError(
            f"modalities: {config.modalities}",
            f"reads sound, but {bank.path} has none",
            expected="a bank with sound, or modalities without A",
            fix=f"set modalities={config.modalities.replace('a', '')}",
        )
    return bank
