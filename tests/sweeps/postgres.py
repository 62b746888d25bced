"""A PostgreSQL server of its own for a test, from the system's package; it listens on a socket in its folder only."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote


def binaries() -> Path | None:
    """Folder of the newest installed server, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")) or [
        Path(path) for path in [shutil.which("pg_ctl")] if path
    ]
    return found[-1].parent if found else None


class Server:
    """`start`, `stop` and the URL. As root it runs under the package's own user, since it refuses root."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.programs, self.data, self.folder = programs, folder / "data", folder
        self.prefix: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            self.prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        self._do("initdb", "-D", self.data, "-U", "mmvad", "--auth=trust", "--no-sync")

    @property
    def url(self) -> str:
        return f"postgresql://mmvad@/postgres?host={quote(str(self.folder))}"

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses='' -c fsync=off"
        self._do("pg_ctl", "-D", self.data, "-w", "-l", self.folder / "log", "-o", options, "start")

    def stop(self) -> None:
        self._do("pg_ctl", "-D", self.data, "-w", "-m", "immediate", "stop")

    def _do(self, program: str, *words: object) -> None:
        command = [*self.prefix, str(self.programs / program), *map(str, words)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=60, cwd=self.folder)
