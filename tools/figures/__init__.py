"""The figures and pictures of the README. From a checkout: `python -m tools.figures --help`."""
