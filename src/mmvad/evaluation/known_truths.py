"""Frame arrays that public code ships, told by the number of their frames."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownTruth:
    """A frame array that circulates.

    Attributes:
        frames: of all test videos.
        source: whose it is, and how its videos get their lengths.
        one_row_less: videos that have one row less there than in the public CLIP features, where that is known.
    """

    benchmark: str
    frames: int
    source: str
    one_row_less: frozenset[str] = frozenset()


_ROWS_OF_I3D = frozenset(
    f"{name}_x264"
    for name in (
        *("Assault006", "Burglary037", "Normal_Videos_881", "Normal_Videos_914", "Normal_Videos_924"),
        *("Normal_Videos_935", "Normal_Videos_940", "RoadAccidents010", "RoadAccidents016", "Shooting032"),
        *("Shooting046", "Shoplifting010", "Shoplifting015"),
    )
)
"""Nine have a number of frames that divides by 16; of the other four CLIP's features have a row for the rest too."""
KNOWN = (
    KnownTruth("ucf_crime", 1_109_888, "VadCLIP's gt_ucf.npy: 16 frames a row of the public CLIP features"),
    KnownTruth(
        "ucf_crime",
        1_109_680,
        "gt-ucf.npy of DeepMIL, UR-DMU and PEL4VAD: 16 frames a row of their I3D features, in 13 videos one row less",
        _ROWS_OF_I3D,
    ),
    KnownTruth(
        "ucf_crime", 1_114_144, "RTFM's and MGFN's gt-ucf.npy: every video filled up to whole rows of 16 frames"
    ),
    KnownTruth("ucf_crime", 1_111_808, "the frames of the video files, uncut"),
    KnownTruth(
        "xd_violence", 2_330_384, "gt.npy of methods on the public I3D features, PEL4VAD among them: 16 frames a row"
    ),
    KnownTruth(
        "xd_violence",
        2_331_296,
        "VadCLIP's gt.npy: 16 frames a row of the public CLIP features, in 57 videos one row more than I3D's",
    ),
)


def recognised(benchmark: str, frames: int) -> str | None:
    """Which known array of the benchmark has so many frames, in words; None where none has."""
    return next((known.source for known in KNOWN if (known.benchmark, known.frames) == (benchmark, frames)), None)
