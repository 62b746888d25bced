"""`python -m mmvad` is `mmvad`."""

import sys

from mmvad.cli import main

sys.exit(main())
