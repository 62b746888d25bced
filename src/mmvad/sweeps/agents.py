"""A sweep for W&B: the file that `wandb sweep` is given, and the agent that runs it here."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from mmvad.errors import UserError
from mmvad.sweeps.command import DEFAULT
from mmvad.sweeps.definition import Sweep
from mmvad.system.disk import disk_errors, write_whole

PROJECT = "mmvad"
CREATE_SECONDS = 300.0


def wandb_text(sweep: Sweep, overrides: Sequence[str]) -> str:
    """The sweep as W&B takes it, with the benchmark, seeds and overrides of the command line inside.

    An override comes last in `command`, behind what W&B fills in, and so wins there as it does in the local engine.
    """
    content = dict(sweep.content)
    content["command"] = [*content.get("command", DEFAULT), *(f"--{override}" for override in overrides)]
    written = yaml.safe_dump(content, sort_keys=False, width=1000)
    return f"# made by `mmvad sweep wandb` from {sweep.file}\n{written}"


def write_wandb_file(sweep: Sweep, overrides: Sequence[str], out: Path) -> Path:
    """Writes the file for `wandb sweep`."""
    with disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, wandb_text(sweep, overrides).encode())
    return out


def start_agent(file: Path, count: int | None, go_on: str) -> int:
    """Registers the sweep and runs an agent until it ends; its exit code.

    Args:
        go_on: the command that runs the same sweep without W&B, for the message where W&B cannot be reached.
    """
    created = _wandb(["sweep", "--project", PROJECT, str(file)], capture=True)
    text = created.stdout + created.stderr
    found = re.search(r"wandb agent (\S+)", text)
    if created.returncode or not found:
        last = next((line for line in reversed(text.splitlines()) if line.strip()), "no answer")
        raise UserError(
            "wandb sweep",
            f"W&B did not take the sweep: {last.strip()}",
            expected="a network and a login (`wandb login`)",
            fix=f"run the same cells without W&B: {go_on}",
        )
    print(text, end="", flush=True)
    return _wandb(["agent", *(["--count", str(count)] if count else []), found.group(1)], capture=False).returncode


def _wandb(words: list[str], *, capture: bool) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "wandb", *words]
    try:
        return subprocess.run(
            command, capture_output=capture, text=True, timeout=CREATE_SECONDS if capture else None, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {CREATE_SECONDS:.0f} seconds")
