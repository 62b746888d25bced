"""Makes the figures of the README again. From a checkout::

    python -m tools.figures                                       # the two diagrams
    python -m tools.figures --report runs/report/report.html      # the report's page
    python -m tools.figures --prediction demo-video/seed-0/predictions/test-00-fighting/page.html
    python -m tools.figures --curve runs/report/figures/fig7_planted.png

Pages need chromium.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tools.figures.diagrams import draw_data, draw_network
from tools.figures.pictures import picture_of_page, small_picture

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "figures"


def main() -> None:
    """Writes to `docs/figures` and names the files."""
    parser = argparse.ArgumentParser(prog="python -m tools.figures", description="Makes the README's figures again.")
    parser.add_argument("--report", type=Path, metavar="PAGE", help="report.html of `mmvad report`")
    parser.add_argument("--prediction", type=Path, metavar="PAGE", help="page.html of `mmvad predict --html`")
    parser.add_argument("--curve", type=Path, metavar="PNG", help="score curves of a run or of a report")
    options = parser.parse_args()
    files = [*draw_network(FOLDER), *draw_data(FOLDER)]
    if options.report:
        files.append(picture_of_page(options.report, (1200, 1180), FOLDER / "report.png"))
    if options.prediction:
        files.append(picture_of_page(options.prediction, (1200, 1010), FOLDER / "prediction.png"))
    if options.curve:
        files.append(small_picture(options.curve, FOLDER / "curves.png"))
    for file in files:
        print(file)


if __name__ == "__main__":
    main()
