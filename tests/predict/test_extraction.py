"""How a run's bank was made is taken up; what differs is said, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av", reason="the extra `video` is not installed")
pytest.importorskip("torchvggish", reason="the extra `video` is not installed")

from mmvad.errors import UserError
from mmvad.extraction.extractor import small_extractor
from mmvad.predict.extraction import refuse_code, settings_for, warnings_for


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    return small_extractor().describe()


def test_sound_is_compared_only_where_the_run_listens(recorded: dict[str, Any]) -> None:
    deaf = small_extractor(audio=False)
    assert warnings_for(recorded, deaf, uses_audio=False) == ()
    assert "audio is some in the bank, none here" in warnings_for(recorded, deaf, uses_audio=True)[0]
    other = small_extractor(sampling="mean")
    assert warnings_for(recorded, other, uses_audio=False) == (
        "features are not made as the run's were: visual.sampling is centre in the bank, mean here",
    )


def test_the_banks_track_and_postprocessing_are_taken_up(recorded: dict[str, Any]) -> None:
    assert settings_for(recorded, {}) == small_extractor().settings
    bank = {**recorded, "audio": {**recorded["audio"], "track": 1, "pca_sha256": "ab" * 32}}
    settings = settings_for(bank, {"audio_track": None, "vggish_pca": None})
    assert (settings.audio_track, settings.vggish_pca) == (1, "published")
    given = settings_for(bank, {"audio_track": 0, "vggish_pca": "pca.pth"})
    assert (given.audio_track, given.vggish_pca) == (0, "pca.pth")
    told = warnings_for(bank, small_extractor(), uses_audio=True)
    assert "audio.pca_sha256 is ab" in told[0]


@pytest.mark.parametrize("kind", ["visual", "audio"])
def test_a_models_file_runs_no_code_that_the_user_does_not_name(recorded: dict[str, Any], kind: str) -> None:
    told = {**recorded, kind: {**recorded[kind], "tower": "evil:tower"}}
    with pytest.raises(UserError, match=rf"model.json(.|\n)*evil:tower(.|\n)*--{kind}-tower evil:tower"):
        refuse_code(Path("model.json"), told, {f"{kind}_tower": None, "audio": True})
    refuse_code(Path("model.json"), told, {f"{kind}_tower": "evil:tower", "audio": True})
    refuse_code(Path("model.json"), {**told, "visual": recorded["visual"]}, {"audio": False})
    refuse_code(Path("model.json"), None, {})
