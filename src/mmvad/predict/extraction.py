"""Extraction for a trained run: as its bank's features were made, as far as the bank says; and a warning where not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmvad.errors import UserError
from mmvad.extraction.extractor import Extractor
from mmvad.extraction.folder import differences
from mmvad.extraction.loading import is_own, visual_weights
from mmvad.extraction.settings import CLAP, VGGISH, ExtractionSettings
from mmvad.models.open_clip_models import model_of
from mmvad.system.log import LOG

_OF_ITS_TOWER = {
    "visual": ("visual_weights",),
    "audio": ("audio_weights", "audio_seconds", "audio_window", "vggish_pca"),
}
"""What a bank says of one tower, and no other one shall have."""


def settings_for(recorded: dict[str, Any] | None, given: dict[str, Any]) -> ExtractionSettings:
    """The settings that made a bank's features, with those that the user gives in their place.

    Args:
        recorded: `Extractor.describe()` of the bank; None where it does not say: then the defaults.
        given: fields of ExtractionSettings; None stands for not given.
    """
    wanted = {name: value for name, value in given.items() if value is not None}
    as_before = _as_settings(recorded)
    for kind in ("visual", "audio"):
        if wanted.get(f"{kind}_tower", as_before.get(f"{kind}_tower")) != as_before.get(f"{kind}_tower"):
            for name in _OF_ITS_TOWER[kind]:
                as_before.pop(name, None)
    return ExtractionSettings(**{**as_before, **wanted})


def refuse_code(where: Path, recorded: dict[str, Any] | None, given: dict[str, Any]) -> None:
    """Raises UserError for a file that names code of this machine, `module:factory`, which the user does not name.

    An exported model comes from elsewhere: what it says of its towers shall not decide what is run here.
    """
    settings = settings_for(recorded, given)
    kinds = {"visual": settings.visual_tower, **({"audio": settings.audio_tower} if settings.audio else {})}
    for kind, named in kinds.items():
        if is_own(named) and given.get(f"{kind}_tower") is None:
            problem = f"its {kind} tower is code, {named}, and a model's file runs none"
            fix = f"if you trust it, name it: --{kind}-tower {named}"
            raise UserError(where, problem, expected="a tower that mmvad has", fix=fix)


def warnings_for(recorded: dict[str, Any] | None, extractor: Extractor, *, uses_audio: bool) -> tuple[str, ...]:
    """What differs between how the bank's features were made and how these are; empty where nothing does.

    Of a run that does not listen the sound is nothing that differs.
    """
    if recorded is None:
        return ()
    found = extractor.describe()
    parts = [
        difference.replace(" there, ", " in the bank, ")
        for modality in (("visual", "audio") if uses_audio else ("visual",))
        for difference in differences(recorded.get(modality), found[modality], modality)
        if not difference.startswith((f"{modality}.precision", f"{modality}.track"))
    ]
    return (f"features are not made as the run's were: {'; '.join(parts)}",) if parts else ()


def build_extractor(
    recorded: dict[str, Any] | None, given: dict[str, Any], *, uses_audio: bool
) -> tuple[Extractor, tuple[str, ...]]:
    """The extractor and its warnings, which are logged too. Raises UserError where weights cannot be had."""
    extractor = Extractor(settings_for(recorded, given))
    warnings = warnings_for(recorded, extractor, uses_audio=uses_audio)
    for warning in warnings:
        LOG.warning(f"warning: {warning}; scores may mean little")
    if recorded is None:
        LOG.warning(
            "warning: the run's bank does not say how its features were made; these are made with "
            f"{extractor.settings.visual_tower} ({visual_weights(extractor.settings)}), {extractor.settings.sampling} "
            f"frame, {extractor.settings.crops} crop(s), audio window {extractor.settings.audio_window}"
        )
    return extractor, warnings


def _as_settings(recorded: dict[str, Any] | None) -> dict[str, Any]:
    if recorded is None:
        return {}
    visual, audio = recorded["visual"], recorded.get("audio")
    tower = tower_of(visual)
    found = {
        "visual_tower": tower,
        "visual_weights": None if is_own(tower) else visual["weights"],
        "crops": visual["crops"],
        "audio": audio is not None,
    }
    if visual["sampling"] in ("centre", "mean"):
        found["sampling"] = visual["sampling"]
    if tower == "tiny":
        found["tiny_width"] = visual["width"]
    if audio:
        sound = audio.get("tower", VGGISH)
        found |= {"audio_tower": sound, "audio_weights": None if is_own(sound) else audio["weights"]}
        found |= {"audio_window": audio["window"], "audio_track": audio.get("track", 0)}
        if sound == CLAP:
            found["audio_seconds"] = audio["window_seconds"]
        if audio.get("pca_sha256"):  # if it was another, the hashes differ and a warning says so
            found["vggish_pca"] = "published"
    return found


def tower_of(visual: dict[str, Any]) -> str:
    """The name of the tower that made a bank's pictures, as `--visual-tower` takes it."""
    return str(visual.get("tower") or model_of(visual["network"]) or ExtractionSettings.visual_tower)
