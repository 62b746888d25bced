"""The rows of one modality and split while they are written: a .npy file that grows and whose header comes last."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmvad.bank.index import Rows
from mmvad.system.disk import write_all

HEADER_BYTES = 128
_COPY_ROWS = 16384


class RowFile:
    """Appends rows to a .npy file; `finish` writes the header, and only then is it a .npy file."""

    def __init__(self, path: Path, rows: Rows) -> None:
        self.path = path
        self.rows = rows
        self.count = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        # unbuffered, so that a full disk shows where it happens and closing never fails a second time
        self._file = open(path, "r+b" if path.exists() else "w+b", buffering=0)  # noqa: SIM115

    @property
    def row_bytes(self) -> int:
        return self.rows.width * np.dtype(self.rows.dtype).itemsize

    def read(self, start: int, count: int) -> np.ndarray:
        """Rows [count, width] from `start` on; fewer where the file ends before."""
        self._file.seek(HEADER_BYTES + start * self.row_bytes)
        data = io.BytesIO()
        while data.tell() < count * self.row_bytes:
            part = self._file.read(count * self.row_bytes - data.tell())
            if not part:
                break
            data.write(part)
        whole = data.tell() // self.row_bytes
        return np.frombuffer(data.getvalue(), self.rows.dtype, whole * self.rows.width).reshape(whole, self.rows.width)

    def cut(self, count: int) -> None:
        """Forgets all rows from `count` on; the next append goes there."""
        self._file.truncate(HEADER_BYTES + count * self.row_bytes)
        self.count = count

    def append(self, rows: np.ndarray) -> None:
        """Writes [n, width] behind the rows that are there."""
        self._file.seek(HEADER_BYTES + self.count * self.row_bytes)
        write_all(self._file, rows.data.cast("B"))
        self.count += len(rows)

    def reorder(self, spans: Sequence[tuple[int, int]]) -> None:
        """Rewrites the file with the (start, count) stretches of rows in that order."""
        final = self.path
        self.path = final.with_suffix(".sorted")
        self.path.unlink(missing_ok=True)
        target = RowFile(self.path, self.rows)
        for start, count in spans:
            for first in range(start, start + count, _COPY_ROWS):
                target.append(self.read(first, min(_COPY_ROWS, start + count - first)))
        os.replace(self.path, final)
        self._file.close()
        self.path, self._file, self.count = final, target._file, target.count

    def finish(self) -> None:
        """Writes the header and closes the file, safe against a power cut."""
        header = io.BytesIO()
        descr = np.lib.format.dtype_to_descr(np.dtype(self.rows.dtype).newbyteorder("<"))
        shape = (self.count, self.rows.width)
        np.lib.format.write_array_header_1_0(header, {"descr": descr, "fortran_order": False, "shape": shape})
        if header.tell() != HEADER_BYTES:
            raise RuntimeError(f"numpy wrote a header of {header.tell()} bytes instead of {HEADER_BYTES}")
        self._file.seek(0)
        write_all(self._file, header.getvalue())
        self._file.truncate(HEADER_BYTES + self.count * self.row_bytes)
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        self._file.close()
