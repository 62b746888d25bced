"""The command line: one file a verb."""

from mmvad.cli.main import main

__all__ = ["main"]
