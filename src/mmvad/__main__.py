"""`python -m mmvad` is `mmvad`."""

import sys

from mmvad.cli.main import main

sys.exit(main())
