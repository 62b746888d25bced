"""What a client asks of the server; run as a program, it is `python` for a shell: `request.py -m mmvad train ...`.

With the standard library alone, and started with `python -S -I`, it takes 20 ms. Protocol: the length of the request,
with the three standard streams; the request as JSON; back comes the process's number, and then its exit code.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
from collections.abc import Sequence

ADDRESS = "MMVAD_TESTS_SERVER"
NUMBER = struct.Struct("<q")


def request(words: Sequence[str], streams: Sequence[int], **options: object) -> socket.socket:
    """A connection that will say the number of the process that runs `python WORDS`, and its exit code."""
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(os.environ[ADDRESS])
    content = json.dumps({"words": list(words), **options}).encode()
    socket.send_fds(connection, [NUMBER.pack(len(content))], list(streams))
    connection.sendall(content)
    return connection


def number(connection: socket.socket) -> int:
    """The next number that the server says."""
    return int(NUMBER.unpack(exactly(connection, NUMBER.size))[0])


def exactly(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise EOFError("the tests' server of processes has ended")
        found += part
    return found


def main() -> int:
    connection = request(sys.argv[1:], (0, 1, 2), cwd=os.getcwd(), env=dict(os.environ))
    number(connection)
    code = number(connection)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
