"""From the demo's clips to its bank: extracted as any video is, by networks that have learned nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mmvad.bank.bank import is_bank, open_bank
from mmvad.bank.writer import BankWriter
from mmvad.benchmarks.registry import DEMO_CLIPS
from mmvad.demo.script import Script
from mmvad.errors import UserError
from mmvad.system.progress import track

if TYPE_CHECKING:
    from mmvad.extraction.extractor import Extractor


def write_bank(path: Path, scripts: list[Script], clips: list[Path], extractor: Extractor) -> None:
    """Extracts every clip into a bank at `path`; one that was made of the same clips is left alone."""
    how = {"made_by": "mmvad demo-video", "extraction": extractor.describe()}
    if is_bank(path):
        if open_bank(path).manifest["how"] == how:
            return
        fix = "remove the folder, or say --out for another one"
        raise UserError(path, "is the bank of another version of the demo", fix=fix)
    with BankWriter(path, DEMO_CLIPS.name, how, resume_key=str(how)) as bank:
        for script, clip in track(list(zip(scripts, clips, strict=True)), "extracting", len(clips)):
            if not bank.holds(script.video):
                features = extractor.extract(clip)
                bank.add(script.video, features.visual, features.audio)
