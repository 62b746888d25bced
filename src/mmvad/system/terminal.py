"""The terminal that tables are shown on."""

from __future__ import annotations

from rich.console import Console

from mmvad.system.printing import nobody_reads


class Terminal(Console):
    """Shows on stdout, `width` columns wide where that is no terminal; that its reader has gone is no error.

    Text is shown as it is: a method's or a file's name may look like rich's markup.
    """

    def __init__(self, width: int = 120) -> None:
        super().__init__(markup=False, emoji=False)
        if not self.is_terminal:
            self.width = width

    def on_broken_pipe(self) -> None:
        if not nobody_reads():
            super().on_broken_pipe()
