"""What an audit prints and writes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from mmvad.evaluation.audit import audit
from mmvad.evaluation.audit_text import audit_lines, audit_table
from tests.evaluation.made import EVENTS, FRAMES, tiny_truth


def arrays() -> dict[str, np.ndarray]:
    made = {name: np.zeros(frames) for name, frames in FRAMES.items()}
    for name, events in EVENTS.items():
        for event in events:
            made[name][event.start : event.end + 1] = 1
    return made


def test_lines_say_how_it_differs_and_why(tmp_path: Path) -> None:
    np.save(tmp_path / "gt.npy", np.concatenate([*arrays().values()]))
    lines = list(audit_lines(audit(tmp_path / "gt.npy", tiny_truth()), tiny_truth()))
    assert lines == [
        "437 frames, 210 of them abnormal",
        "lengths: the frames of the files",
        "order of videos: as in the list",
        "differs from the lists in lists in 2 of 4 videos, 3 frames (0.686 %)",
        "explained: read so that an event's last frame belongs to it, no frame differs "
        "(here an event ends before its last frame)",
        "  c_x264: 240 frames; 2 differ: 40-41 abnormal in the array alone, 200-201 abnormal in the array alone",
        "  a_x264: 100 frames; 1 differ: 90-91 abnormal in the array alone",
    ]


def test_a_table_has_a_line_a_video(tmp_path: Path) -> None:
    made = arrays()
    del made["d_x264"]
    np.savez(tmp_path / "gt.npz", **made)
    found = audit(tmp_path / "gt.npz", tiny_truth())
    rows = list(csv.DictReader(audit_table(found).splitlines()))
    assert [row["video"] for row in rows] == ["a_x264", "b_x264", "c_x264"]
    assert rows[0] == {
        "video": "a_x264",
        "frames": "100",
        "frames by rule": "100",
        "differing": "1",
        "where": "90-91 abnormal in the array alone",
    }
    assert "1 test videos are missing: d_x264" in list(audit_lines(found, tiny_truth()))
