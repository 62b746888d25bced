"""Pictures of what a user gets: pages in a browser without a window, and figures, as small PNG files."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
COLOURS = 256


def picture_of_page(page: Path, size: tuple[int, int], file: Path) -> Path:
    """Writes the top of a page, `size` pixels wide and high, and gives the file; SystemExit without a browser."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"no browser found: install one of {', '.join(BROWSERS)}")
    with tempfile.TemporaryDirectory() as folder:
        taken = Path(folder) / "page.png"
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=4000"]
        window = f"--window-size={size[0]},{size[1]}"
        command = [browser, *options, window, f"--screenshot={taken}", page.resolve().as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        return small_picture(taken, file)


def small_picture(source: Path, file: Path) -> Path:
    """Writes a picture with a palette of 256 colours, a third of its size, and gives the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(source) as image:
        picture = image.convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    picture.save(file, optimize=True)
    return file
