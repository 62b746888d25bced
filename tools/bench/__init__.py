"""What the suite's speed is, beside the plain forms of `tests/plain` that its exactness is tested against.

`python -m tools.bench` (or `make bench`), from the root of a checkout. It is no part of the installed package.
"""
