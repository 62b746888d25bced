"""The page in a browser: it plays, a click on the curve seeks, the scores are told."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmvad.benchmarks.registry import PLANTED
from mmvad.errors import UserError
from mmvad.predict import page
from mmvad.predict.page import page_data, write_page
from mmvad.predict.picture import draw_prediction
from mmvad.predict.prediction import DetectedEvent, Prediction, TrueEvent
from mmvad.system.disk import DiskFullError
from tests.predict.browser import Browser

SECONDS = 12.0
HOSTILE = 'a</script><script>alert("1")</script> & "b" é'


def prediction(media: Path, name: str = "clip") -> Prediction:
    edges = np.linspace(0, SECONDS, 19)
    combined = np.linspace(0, 1, 18)
    rows = np.full((18, 7), 0.05)
    rows[:, 0] = 0.7
    events = (DetectedEvent("riot", 3.0, 6.0, 1.4, 0.8), DetectedEvent("crash", 8.0, 8.5, 1.2, 0.6))
    notes = ("no sound",)
    return Prediction(
        name,
        PLANTED,
        edges,
        {"combined": combined, "fine": combined / 2},
        rows,
        events,
        (TrueEvent(2, 5, None),),
        notes,
        media,
    )


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of H.264 and AAC."""
    av = pytest.importorskip("av", reason="the extra `video` is not installed")
    del av
    from mmvad.demo.render import render
    from mmvad.demo.script import write_scripts

    script = replace(write_scripts(0)[0], frames=int(24 * SECONDS))
    return render(script, tmp_path_factory.mktemp("clips"))


def text_of(file: Path) -> str:
    return re.sub(r"base64,[^\"]*", "", file.read_text())


def test_nothing_of_a_name_becomes_code(tmp_path: Path) -> None:
    video = tmp_path / "v.mp4"
    video.write_bytes(b"x")
    write_page(tmp_path / "page.html", prediction(video, HOSTILE), HOSTILE)
    text = text_of(tmp_path / "page.html")
    assert "<script>alert" not in text
    assert text.count("<script") == 2
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert "No sound".lower() in text.lower()


def test_the_combined_curve_lets_the_one_below_through(tmp_path: Path) -> None:
    """It always lies on the coarse or the fine one: dashed, as in the picture."""
    media = tmp_path / "clip.mp4"
    media.touch()
    write_page(tmp_path / "page.html", prediction(media), "made")
    text = text_of(tmp_path / "page.html")
    assert re.search(r"#curve \.combined \{[^}]*stroke-dasharray", text)
    assert re.search(r"#legend i\.combined \{[^}]*dashed", text)


def test_what_ranks_an_event_is_no_score_of_a_frame(tmp_path: Path) -> None:
    media = tmp_path / "clip.mp4"
    media.touch()
    write_page(tmp_path / "page.html", prediction(media), "made")
    headings = re.findall(r"<th(?: title=\"([^\"]*)\")?>(\w+)</th>", text_of(tmp_path / "page.html"))
    assert [name for _, name in headings] == ["class", "from", "to", "peak", "rank"]
    assert "0.7" in headings[-1][0]


def test_a_large_video_lies_beside_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "EMBEDDED_BYTES", 5)
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    video = tmp_path / "in" / 'odd #1 "ä".mp4'
    video.write_bytes(b"0123456789")
    for _ in range(2):
        write_page(tmp_path / "out" / "page.html", prediction(video), "x")
    assert (tmp_path / "out" / video.name).read_bytes() == b"0123456789"
    assert 'src="odd%20%231%20%22%C3%A4%22.mp4"' in (tmp_path / "out" / "page.html").read_text()
    assert len(os.listdir(tmp_path / "out")) == 2
    monkeypatch.setattr(page, "EMBEDDED_BYTES", 10)
    write_page(tmp_path / "out" / "page.html", prediction(video), "x")
    assert 'src="data:video/mp4;base64,MDEyMzQ1Njc4OQ=="' in (tmp_path / "out" / "page.html").read_text()


def test_only_what_a_page_laid_there_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--out videos` beside videos/a/a.mp4 of the user's own."""
    monkeypatch.setattr(page, "EMBEDDED_BYTES", 5)
    video, other = tmp_path / "in" / "a.mp4", tmp_path / "more" / "a.mp4"
    for path, content in ((video, b"0123456789"), (other, b"abcdefghijk")):
        path.parent.mkdir()
        path.write_bytes(content)
    laid = tmp_path / "out" / "page.html"
    laid.parent.mkdir()
    for source in (video, video, other, video):  # one after the other takes the place that is the page's own
        write_page(laid, prediction(source), "x")
        assert laid.with_name("a.mp4").read_bytes() == source.read_bytes()
    write_page(video.with_name("page.html"), prediction(video), "x")
    with pytest.raises(UserError, match="is another file"):
        write_page(video.with_name("page.html"), prediction(other), "x")
    assert (video.read_bytes(), other.read_bytes()) == (b"0123456789", b"abcdefghijk")


def test_a_copy_on_a_full_disk_is_said_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "EMBEDDED_BYTES", 5)
    video, out = tmp_path / "a.mp4", tmp_path / "out"
    out.mkdir()
    video.write_bytes(b"0123456789")

    def no_link(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "no links here")

    def half(source: Path, target: Path) -> None:
        target.write_bytes(b"01234")
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("link", "symlink"):
        monkeypatch.setattr(os, name, no_link)
    with monkeypatch.context() as patch:
        patch.setattr("shutil.copyfile", half)
        with pytest.raises(DiskFullError):
            write_page(out / "page.html", prediction(video), "x")
    assert os.listdir(out) == ["page.html"]
    write_page(out / "page.html", prediction(video), "x")
    assert (out / "a.mp4").read_bytes() == b"0123456789"


def test_a_name_that_is_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    video.write_bytes(b"0123456789")
    monkeypatch.setattr(page, "EMBEDDED_BYTES", 5)
    (tmp_path / "out").mkdir()
    made = prediction(video, os.fsdecode(b"caf\xe9"))
    write_page(tmp_path / "out" / "page.html", made, "x")
    text = (tmp_path / "out" / "page.html").read_text(encoding="utf-8")
    assert 'src="caf%E9.mp4"' in text
    assert "<h1>caf\\udce9</h1>" in text
    draw_prediction(tmp_path / "curves.png", made, [])


def test_truth_beyond_the_last_snippet_is_not_drawn() -> None:
    truth = (TrueEvent(10, 50, None), TrueEvent(60, 70, None))
    data = page_data(replace(prediction(Path("v.mp4")), truth=truth))
    assert data["truth"] == [{"start": 10, "end": SECONDS}]


def test_the_numbers_of_the_page() -> None:
    data = page_data(prediction(Path("v.mp4")))
    assert len(data["edges"]) == 19
    assert [e["name"] for e in data["events"]] == ["riot", "car accident"]
    assert data["truth"] == [{"start": 2, "end": 5}]
    assert len(data["probabilities"]) == 18


@pytest.mark.slow
@pytest.mark.parametrize("embedded", [True, False])
def test_it_plays_seeks_and_tells(embedded: bool, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "EMBEDDED_BYTES", 20_000_000 if embedded else 0)
    file = tmp_path / "page.html"
    write_page(file, prediction(clip), "a run")
    with Browser(tmp_path / "profile") as browser:
        browser.open(file)
        assert browser.run(PLAYED) > 0.3
        browser.run("video.pause()")
        left, top, wide = browser.run(
            "(() => { const b = svg.getBoundingClientRect(); return [b.left, b.top, b.width] })()"
        )
        drawn = browser.run("width")
        for second in (0.5, 5.0, 11.2):  # where the plot's own scale says that this second is, reckoned here
            position = left + (34 + second / SECONDS * (drawn - 34 - 8)) * wide / drawn
            browser.click(position, top + 90)
            assert abs(browser.run(SETTLED) - second) < 0.2
        browser.hover(left + wide / 2, top + 90)
        told = browser.run("says.innerText")
        assert "combined" in told
        assert "normal" in told
        assert "0.700" in told
        browser.run("document.querySelector('button[data-second]').click()")
        assert abs(browser.run(SETTLED) - 3.0) < 0.2
        assert browser.complaints() == []


PLAYED = """(async () => {
  await video.play();  // "canplay" need not come before: a browser may wait with loading until somebody plays
  while (video.currentTime < 0.3 && !video.error) await new Promise((done) => setTimeout(done, 20));
  return video.currentTime;
})()"""
SETTLED = """(async () => {
  if (video.seeking) await new Promise((done) => video.addEventListener("seeked", done, { once: true }));
  return video.currentTime;
})()"""
