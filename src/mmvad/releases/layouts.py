"""The layouts of public feature releases: folders, file names, widths, and what they look like drawn.

CLIP releases have one file a crop. I3D releases have one file a crop too, where crop 0 may lack its number, or one file
a video with all its crops inside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mmvad.benchmarks.benchmark import Split
from mmvad.releases.arrays.axes import ROWS, ROWS_CROPS, Axes

LayoutName = Literal["clip", "i3d", "own"]
AUDIO = "vggish-features"
STACKED_CROPS = 10
"""Crops in a file that holds a whole video."""

_NUMBERED = re.compile(r"(?P<video>.+)__(?P<crop>\d+)\.npy", re.DOTALL)
_BARE = re.compile(r"(?P<video>.+?)(?:__(?P<crop>\d+))?\.npy", re.DOTALL)
_STACKED = re.compile(r"(?P<video>.+)_i3d\.npy", re.DOTALL)


@dataclass(frozen=True)
class Layout:
    """One way in which a release lies on the disk.

    Attributes:
        folders: of the visual files, by split; None where the splits share their folders.
        root: a folder that holds the folders of both splits, if the release has it.
        width: columns of a visual file; None where releases differ and the first file says it.
        stacked: a file holds all crops of a video, [snippets, 10, d].
        own_axes: axes of the arrays in a user's own files, and how many crops each holds.
        array: which array of files that hold several.
    """

    name: LayoutName
    features: str
    folders: Mapping[Split, str] | None
    root: str
    pattern: re.Pattern[str]
    width: int | None
    stacked: bool
    tree: str
    origin: str
    own_axes: Axes | None = None
    own_crops: int = 1
    array: str | None = None

    @property
    def axes(self) -> Axes:
        """Of the arrays in the visual files."""
        return self.own_axes or (ROWS_CROPS if self.stacked else ROWS)

    @property
    def crops(self) -> int:
        """How many crops a visual file holds."""
        return STACKED_CROPS if self.stacked else self.own_crops

    def crops_of(self, file_name: str) -> tuple[str, tuple[int, ...]] | None:
        """The video and the crops that a file of this name holds; None where the name follows no pattern."""
        match = self.pattern.fullmatch(file_name)
        if match is None:
            return None
        if self.stacked:
            return match["video"], tuple(range(self.crops))
        return match["video"], (int(match["crop"] or 0),)

    def file_name(self, video: str, crop: int) -> str:
        """How the file of that crop is called."""
        return f"{video}_i3d.npy" if self.stacked else f"{video}__{crop}.npy"


_XD_LISTS = """\
  vggish-features/train/<video>__vggish.npy       [snippets, 128]
  vggish-features/test/<video>__vggish.npy        [snippets, 128]
  xd_train.csv, xd_test.csv                       path,label (one row a crop) or video,label
  annotations.txt, annotations_multiclasses.txt   lists and annotations: in ROOT, annotations/, list/ or --lists DIR"""
_UCF_LISTS = """\
  Anomaly_Train.txt, Anomaly_Test.txt             folder/video.mp4
  Temporal_Anomaly_Annotation.txt                 lists and annotations: in ROOT, annotations/, list/ or --lists DIR"""
_XD_PAGE = "VGGish features, lists and annotations: the project page of XD-Violence"
_UCF_PAGE = "lists and annotation: the project page of UCF-Crime (Real-world Anomaly Detection in Surveillance Videos)"
_CLIP_PAGE = "CLIP features: the project page of VadCLIP's authors"

XD_CLIP = Layout(
    "clip",
    "CLIP",
    {"train": "XDTrainClipFeatures", "test": "XDTestClipFeatures"},
    "",
    _NUMBERED,
    512,
    False,
    f"""\
ROOT/
  XDTrainClipFeatures/<video>__<crop>.npy         [snippets, 512], crops 0 to 9
  XDTestClipFeatures/<video>__<crop>.npy          [snippets, 512], crop 0 is tested
{_XD_LISTS}""",
    f"{_CLIP_PAGE}; {_XD_PAGE}",
)
XD_I3D = Layout(
    "i3d",
    "I3D",
    {"train": "RGB", "test": "RGBTest"},
    "",
    _NUMBERED,
    1024,
    False,
    f"""\
ROOT/
  RGB/<video>__<crop>.npy                         [snippets, 1024], crops 0 to 4
  RGBTest/<video>__<crop>.npy                     [snippets, 1024], crops 0 to 4
{_XD_LISTS}""",
    f"I3D features: the project page of XD-Violence; {_XD_PAGE}",
)
UCF_CLIP = Layout(
    "clip",
    "CLIP",
    None,
    "UCFClipFeatures",
    _NUMBERED,
    512,
    False,
    f"""\
ROOT/
  UCFClipFeatures/Abuse/<video>__<crop>.npy       [snippets, 512], crops 0 to 9, crop 5 is tested
  UCFClipFeatures/Arrest/...                      one folder a class, Training_ and Testing_Normal_Videos_Anomaly
  vggish-features/{{train,test}}/<video>__vggish.npy   only where videos have sound
{_UCF_LISTS}""",
    f"{_CLIP_PAGE}; {_UCF_PAGE}",
)
_UCF_I3D_TREE = f"""\
ROOT/                                             files in ROOT or in folders below it, in one of two forms:
  <video>.npy, <video>__1.npy ... __9.npy         [snippets, 1024 or 2048], one file a crop, or
  <video>_i3d.npy                                 [snippets, 10, 2048], one file a video
{_UCF_LISTS}"""
UCF_I3D = Layout(
    "i3d", "I3D", None, "", _BARE, None, False, _UCF_I3D_TREE, f"I3D features: RTFM's or UR-DMU's authors; {_UCF_PAGE}"
)
UCF_I3D_STACKED = Layout(
    "i3d", "I3D", None, "", _STACKED, None, True, _UCF_I3D_TREE, f"I3D features: RTFM's authors; {_UCF_PAGE}"
)

LAYOUTS: dict[str, tuple[Layout, ...]] = {
    "xd_violence": (XD_CLIP, XD_I3D),
    "ucf_crime": (UCF_CLIP, UCF_I3D_STACKED, UCF_I3D),
}
"""By benchmark; where several fit a folder, the first does."""
