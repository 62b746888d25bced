"""`mmvad watch`: a stream in, alarms out."""

from __future__ import annotations

import argparse
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmvad.cli.extraction_options import add_extraction_options, given_settings, require_packages
from mmvad.errors import UserError
from mmvad.system.printing import log_on_stderr

if TYPE_CHECKING:
    from mmvad.live.telling import Teller
    from mmvad.live.watching import Outlets, Watch

EXIT_LOST = 1


def add_watch_parser(subparsers: Any) -> None:
    """Adds `watch` to what `ArgumentParser.add_subparsers` gave; it sets `run(options) -> exit code`."""
    parser = subparsers.add_parser(
        "watch",
        help="score a stream as it comes: alarms as JSON lines, clips, a command, a page",
        description="Scores a stream as it comes: a camera, an address, a pipe, a file that grows. Alarms are JSON "
        "lines on standard output, all else goes to standard error. Ctrl-C ends it. Exit code 1: a stream that has an "
        "end broke off before it.",
        allow_abbrev=False,
    )
    parser.add_argument("source", metavar="SOURCE", help="rtsp://..., http://..., udp://..., /dev/video0, a file, or -")
    parser.add_argument("--checkpoint", type=Path, required=True, metavar="RUN", help="a run folder, or a file in one")
    parser.add_argument(
        "--look-ahead",
        default="2s",
        metavar="T",
        help="how much later a score may come, for what it "
        "sees of that time; 0: only the past; all: scores as `mmvad predict` gives (%(default)s)",
    )
    parser.add_argument("--chunk-overlap", type=int, metavar="N", help="snippets that chunks share (the run's own)")
    alarms = parser.add_argument_group("alarms")
    alarms.add_argument("--on", type=float, metavar="X", help="score that opens one (the run's threshold, else 0.5)")
    alarms.add_argument("--off", type=float, metavar="X", help="score below which it closes (0.8 of --on)")
    alarms.add_argument("--shortest", default="1s", metavar="T", help="shorter ones are none (%(default)s)")
    outlets = parser.add_argument_group("where they go")
    outlets.add_argument("--out", type=Path, metavar="JSONL", help="the same lines, and notes, appended to a file")
    outlets.add_argument("--scores", action="store_true", help="a line for every score, too")
    outlets.add_argument("--clips", type=Path, metavar="DIR", help="a video of each alarm")
    outlets.add_argument("--before", default="5s", metavar="T", help="how long before it a clip begins (%(default)s)")
    outlets.add_argument("--on-alarm", metavar="COMMAND", help="run for each; no shell; the JSON on standard input")
    outlets.add_argument("--command-timeout", default="60s", metavar="T", help="then it is killed (%(default)s)")
    outlets.add_argument(
        "--page",
        metavar="PORT",
        help="a page with curve, picture and alarms, at 127.0.0.1; "
        "ADDRESS:PORT for others, who need the token that is printed",
    )
    stream = parser.add_argument_group("the stream")
    stream.add_argument(
        "--timeout",
        default="10s",
        metavar="T",
        help="without a byte for so long a stream is lost, and a file has ended (%(default)s)",
    )
    stream.add_argument(
        "--drop",
        choices=("auto", "oldest", "never"),
        default="auto",
        help="what a machine that is too "
        "slow does; auto: oldest where the sender does not wait (rtsp, udp, a device), else never",
    )
    add_extraction_options(parser, like_bank=True)
    parser.set_defaults(run=run_watch, takes_overrides=True)


def run_watch(options: argparse.Namespace) -> int:
    """Watches; 0 when the source has ended or Ctrl-C was pressed, 1 where it broke off, 128 + n after signal n."""
    require_packages()
    ways = given_settings(options)
    if len(ways) > 1:
        raise UserError("--visual-tower", f"{len(ways)} towers", expected="one: the run reads features of one")
    from mmvad.live.scoring import seconds

    times = {
        name: seconds(getattr(options, name), f"--{name.replace('_', '-')}")
        for name in ("shortest", "before", "command_timeout", "timeout")
    }
    if not times["timeout"]:
        raise UserError("--timeout: 0", "a stream would be lost at once", expected="above 0")
    with log_on_stderr():
        return _watch(options, {**ways[0], "audio": not options.no_audio}, times)


def _watch(options: argparse.Namespace, given: dict[str, Any], times: dict[str, float]) -> int:
    """All that can be refused is refused before the stream is opened."""
    from mmvad.live.alarms import Hysteresis
    from mmvad.live.clips import require_folder
    from mmvad.live.commands import AlarmCommand
    from mmvad.live.hearing import warm_up
    from mmvad.live.lines import Lines
    from mmvad.live.page import Page, PageState, page_address
    from mmvad.live.reading import Reader
    from mmvad.live.scoring import check_towers, look_ahead_of, run_scorer, usual_threshold
    from mmvad.live.source import stream_source
    from mmvad.live.telling import Teller
    from mmvad.live.watching import Outlets, Watch
    from mmvad.predict.extraction import build_extractor
    from mmvad.predict.trained import load_run
    from mmvad.system.device import torch_device

    source, look_ahead = stream_source(options.source), look_ahead_of(options.look_ahead)
    address = None if options.page is None else page_address(options.page)
    torch_device(options.device, "--device")
    if options.clips is not None:
        require_folder(options.clips)
    run = load_run(options.checkpoint, [*options.overrides, f"runtime.device={options.device.partition(':')[0]}"])
    on, reason = usual_threshold(run) if options.on is None else (options.on, "--on")
    rule = Hysteresis(on, 0.8 * on if options.off is None else options.off, times["shortest"])
    state = PageState(source.name, rule.on, rule.off) if address else None
    page = Page(address, state) if address and state else None
    lines = Lines(options.out, lambda text: print(text, file=sys.stderr, flush=True))

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)
        lines.note(text)
        if state:
            state.note(text)

    teller = Teller(tell)
    command = None
    if options.on_alarm is not None:
        command = AlarmCommand(options.on_alarm, times["command_timeout"], teller.say)
    scorer = run_scorer(run, look_ahead, options.chunk_overlap)
    audio = run.uses_audio and given["audio"]
    extractor, _ = build_extractor(run.extraction, {**given, "audio": audio}, uses_audio=run.uses_audio)
    check_towers(run, extractor)
    if audio:
        warm_up()
    drop = options.drop == "oldest" or (options.drop == "auto" and not source.waits)
    reader = Reader(source, extractor, teller, timeout=times["timeout"], drop=drop, look=state.look if state else None)
    outlets = Outlets(lines, options.scores, options.clips, times["before"], command, state)
    watch = Watch(reader, scorer, rule, outlets, teller, live=source.kind in ("network", "device"))
    teller.say(f"watching {source.name}; alarms from {rule.on:.3g} ({reason}) down to {rule.off:.3g}; Ctrl-C ends it")
    if page:
        print(f"page: {page.url}", file=sys.stderr, flush=True)  # not a note: its token is for this terminal
    return _run(watch, teller, outlets)


def _run(watch: Watch, teller: Teller, outlets: Outlets) -> int:
    from mmvad.system.stopping import EXIT_CTRL_C, interrupted_code, interrupts_wait

    code = 0
    try:
        watch.run()
        if watch.lost:
            teller.say(f"{watch.reader.source.name}: broke off before its end ({watch.lost})")
            code = EXIT_LOST
    except KeyboardInterrupt:
        code = 0 if interrupted_code() == EXIT_CTRL_C else interrupted_code()
    finally:
        with interrupts_wait():
            watch.finish()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    teller.say(f"{watch.counts.said(watch.reader.connections)}; peak memory {memory:.2f} GiB")
    outlets.lines.close()
    return code
