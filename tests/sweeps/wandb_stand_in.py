"""A small local stand-in for W&B: it takes a sweep, registers an agent, and hands out the cells of a grid.

And a reader of what an offline run would synchronise: records in LevelDB's log format, each a protobuf message.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import yaml

PROJECT = {"id": "p", "name": "mmvad", "entity": {"id": "e", "name": "tester"}}


class StandIn:
    """Answers GraphQL by what it asks for; remembers which cells it handed out, and which run."""

    def __init__(self) -> None:
        self.config: dict[str, Any] = {}
        self.waiting: list[dict[str, Any]] = []
        self.handed_out: list[dict[str, Any]] = []
        self.running: dict[str, bool] = {}

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        if "upsertSweep" in query:
            return self._take_sweep(variables)
        if "createAgent" in query:
            return {"createAgent": {"agent": {"id": "agent"}}}
        if "agentHeartbeat" in query:
            self.running = json.loads(variables.get("runState") or "{}")
            return {"agentHeartbeat": {"agent": {"id": "agent"}, "commands": json.dumps(self._commands())}}
        if "SweepWithRuns" in query:
            sweep = {"id": "s", "name": "sweep1", "config": yaml.safe_dump(self.config), "runs": {"edges": []}}
            return {"project": {"sweep": sweep}}
        if "viewer" in query:
            return {
                "viewer": {"id": "v", "entity": "tester", "username": "tester", "flags": "{}", "teams": {"edges": []}}
            }
        return {}

    def _take_sweep(self, variables: dict[str, Any]) -> dict[str, Any]:
        self.config = yaml.safe_load(variables["config"])
        lists = {k: v.get("values", [v.get("value")]) for k, v in self.config["parameters"].items()}
        for n, row in enumerate(itertools.product(*lists.values())):
            cell = {key: {"value": value} for key, value in zip(lists, row)}
            command = {"type": "run", "run_id": f"run{n}", "program": self.config["program"], "args": cell}
            self.waiting.append(command)
        sweep = {"id": "s", "name": "sweep1", "project": PROJECT}
        return {"upsertSweep": {"sweep": sweep, "configValidationWarnings": []}}

    def _commands(self) -> list[dict[str, Any]]:
        """One run at a time; after the last one the agent is sent home."""
        if self.running:
            return []
        if not self.waiting:
            return [{"type": "exit"}]
        self.handed_out.append(self.waiting.pop(0))
        return [self.handed_out[-1]]


@contextmanager
def serve(stand_in: StandIn) -> Iterator[str]:
    """The stand-in's address, while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path != "/graphql":  # telemetry
                return self._send(b"{}")
            body = json.loads(content)
            data = stand_in.answer(body.get("query", ""), body.get("variables") or {})
            return self._send(json.dumps({"data": data}).encode())

        def do_GET(self) -> None:
            self._send(b"{}")

        def _send(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()


class Logged(NamedTuple):
    """An offline run, as far as sweeps care."""

    group: str
    tags: list[str]
    sweep: str
    summary: dict[str, Any]
    ended: bool


def read_offline(data: bytes) -> Logged:
    """The content of a `.wandb` file."""
    from wandb.proto.wandb_internal_pb2 import Record

    group, tags, sweep, summary, ended = "", [], "", {}, False
    for content in records(data):
        record = Record()
        record.ParseFromString(content)
        kind = record.WhichOneof("record_type")
        if kind == "run":
            group, tags, sweep = record.run.run_group, list(record.run.tags), record.run.sweep_id
        elif kind == "summary":
            for item in record.summary.update:
                summary[item.key or "/".join(item.nested_key)] = json.loads(item.value_json)
        ended = ended or kind == "exit"
    return Logged(group, tags, sweep, summary, ended)


def records(data: bytes, header: int = 7, block: int = 32768) -> Iterator[bytes]:
    """The records of a LevelDB log behind W&B's own header of 7 bytes: whole (1) or in parts (2, 3, 4)."""
    position, content = header, b""
    while position + header <= len(data):
        if block - position % block < header:
            position += block - position % block
            continue
        length, kind = int.from_bytes(data[position + 4 : position + 6], "little"), data[position + 6]
        if position + header + length > len(data):
            return  # still being written
        content += data[position + header : position + header + length]
        position += header + length
        if kind in {1, 4}:
            yield content
            content = b""
