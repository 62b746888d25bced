"""A small RTSP server: it plays a file to whoever asks, over TCP, its packets made by FFmpeg's own RTP muxer.

As RFC 2326 has it: OPTIONS, DESCRIBE, SETUP of each track, PLAY; then packets between the words of the connection.
"""

from __future__ import annotations

import base64
import re
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import av

SDP = """v=0
o=- 0 0 IN IP4 127.0.0.1
s=test
c=IN IP4 0.0.0.0
t=0 0
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1;sprop-parameter-sets={sets}
a=control:track0
m=audio 0 RTP/AVP 97
a=rtpmap:97 L16/16000/1
a=control:track1
"""


class _Wire:
    """A file for a muxer: every packet that it writes goes out on a channel of the connection."""

    def __init__(self, connection: socket.socket, channel: int, lock: threading.Lock) -> None:
        self.connection, self.channel, self.lock = connection, channel, lock

    def write(self, data: bytes) -> int:
        control = 200 <= data[1] <= 204  # RTCP
        with self.lock:
            self.connection.sendall(struct.pack("!cBH", b"$", self.channel + control, len(data)) + bytes(data))
        return len(data)


class _Talk(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        while request := self._request():
            verb, number = request
            answer, content = {"OPTIONS": "Public: DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"}.get(verb, ""), ""
            if verb == "DESCRIBE":
                content = SDP.format(sets=parameter_sets(self.server.file)).replace("\n", "\r\n")
                answer = "Content-Type: application/sdp"
            elif verb == "SETUP":
                answer = f"Transport: {self.transport}"
            lines = ["RTSP/1.0 200 OK", f"CSeq: {number}", "Session: 1"] + [answer] * bool(answer)
            lines += [f"Content-Length: {len(content)}", "", content]
            self.wfile.write("\r\n".join(lines).encode())
            if verb == "PLAY":
                with suppress(OSError, av.FFmpegError):
                    play(self.server.file, self.connection, self.server.pace)
                return
            if verb == "TEARDOWN":
                return

    def _request(self) -> tuple[str, str] | None:
        lines = []
        while line := self.rfile.readline().decode().strip():
            lines.append(line)
        if not lines:
            return None
        head = "\n".join(lines)
        transport = re.search(r"Transport: (RTP/AVP/TCP;[^\r\n]*)", head)
        self.transport = transport[1] if transport else ""
        found = re.search(r"CSeq: (\d+)", head)
        return lines[0].split()[0], found[1] if found else "0"


def parameter_sets(path: Path) -> str:
    """What a decoder must know before it starts, as a description of the session names it: of avcC, one set of each."""
    with av.open(str(path)) as file:
        extra = file.streams.video[0].codec_context.extradata or b""
    sequence = 8 + int.from_bytes(extra[6:8], "big")
    picture = sequence + 3 + int.from_bytes(extra[sequence + 1 : sequence + 3], "big")
    return ",".join(base64.b64encode(part).decode() for part in (extra[8:sequence], extra[sequence + 3 : picture]))


def play(path: Path, connection: socket.socket, pace: float) -> None:
    """Sends the file, `pace` times as fast as it is shown."""
    lock, began = threading.Lock(), time.monotonic()
    with av.open(str(path)) as file:
        outputs: dict[int, tuple[Any, Any]] = {}
        for channel, stream in enumerate([file.streams.video[0], file.streams.audio[0]]):
            wire = _Wire(connection, 2 * channel, lock)
            output = av.open(wire, "w", format="rtp", options={"packetsize": "1400"})
            outputs[stream.index] = output, output.add_stream_from_template(stream)
        first = None
        for packet in file.demux():
            if packet.dts is None or packet.stream.index not in outputs:
                continue
            second = float(packet.dts * packet.time_base)
            first = second if first is None else first
            time.sleep(max(0.0, began + (second - first) / pace - time.monotonic()))
            output, packet.stream = outputs[packet.stream.index]
            output.mux(packet)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    file: Path
    pace: float


@contextmanager
def serving_rtsp(path: Path, pace: float = 1.0) -> Iterator[str]:
    """The address at which the file, a MOV of H.264 and 16 bits at 16 kHz, is played."""
    with _Server(("127.0.0.1", 0), _Talk) as server:
        server.file, server.pace = path, pace
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"rtsp://user:secret@127.0.0.1:{server.server_address[1]}/live"
        finally:
            server.shutdown()
