"""What the demo's clips show: a place, people who walk, cars; and a fight, an explosion. Plain numpy pictures."""

from __future__ import annotations

import numpy as np

from mmvad.demo.script import RATE, Act, Script

WIDTH, HEIGHT = 320, 240
PEOPLE = 3
GROUND = 150
"""The row at which the ground begins."""
_ROWS, _COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)


class Scene:
    """The pictures of one clip."""

    def __init__(self, script: Script) -> None:
        self.script = script
        street, rng = np.random.default_rng(script.camera), np.random.default_rng(script.seed)
        self.backdrop = _backdrop(street)
        self.cloud = rng.uniform(0, 2 * np.pi)
        self.walkers = [_Walker(colour, rng) for colour in street.uniform(40, 170, size=(PEOPLE, 3))]
        self.grain = rng.normal(0, 5, size=(8, HEIGHT, WIDTH, 1)).astype(np.float32)

    def frame(self, number: int) -> np.ndarray:
        """uint8 [HEIGHT, WIDTH, 3]."""
        second = number / RATE
        picture = self.backdrop * np.float32(1 + 0.06 * np.sin(0.7 * second + self.cloud))  # clouds pass
        for walker in self.walkers:
            walker.draw(picture, second)
        for act in self.script.acts:
            strength = act.strength(second)
            if strength > 0 and act.kind in _SHOWN:
                _SHOWN[act.kind](picture, act, second, strength)
        picture += self.grain[number % len(self.grain)]
        return np.clip(picture, 0, 255).astype(np.uint8)


class _Walker:
    """Someone who lives there and walks to and fro."""

    def __init__(self, colour: np.ndarray, rng: np.random.Generator) -> None:
        self.colour = colour.astype(np.float32)
        self.middle, self.reach = rng.uniform(60, WIDTH - 60), rng.uniform(20, 60)
        self.pace, self.phase = rng.uniform(0.3, 0.8), rng.uniform(0, 6.3)
        self.foot, self.size = rng.uniform(GROUND + 20, HEIGHT - 15), rng.uniform(0.8, 1.2)

    def draw(self, picture: np.ndarray, second: float) -> None:
        column = self.middle + self.reach * np.sin(self.pace * second + self.phase)
        stride = 6 * np.sin(8 * self.pace * second)
        _person(picture, column, self.foot, self.size, self.colour, stride)


def _backdrop(rng: np.random.Generator) -> np.ndarray:
    """Sky, houses and ground: float32 [HEIGHT, WIDTH, 3]."""
    sky, ground = rng.uniform(110, 200, size=3), rng.uniform(60, 130, size=3)
    shade = (_ROWS / GROUND)[..., None]
    picture = np.where(_ROWS[..., None] < GROUND, sky * (1 - 0.3 * shade), ground * (0.8 + 0.3 * (shade - 1)))
    picture = picture.astype(np.float32)
    for left in range(-20, WIDTH, 60):
        top, wall = int(rng.uniform(50, 120)), rng.uniform(70, 150, size=3)
        picture[top:GROUND, max(left, 0) : left + int(rng.uniform(35, 60))] = wall
    return picture


def _person(picture: np.ndarray, column: float, foot: float, size: float, colour: np.ndarray, stride: float) -> None:
    for side in (-1, 1):
        _disc(picture, column + side * stride, foot - 8 * size, 4 * size, 10 * size, colour * 0.6)
    _disc(picture, column, foot - 28 * size, 8 * size, 16 * size, colour)
    _disc(picture, column, foot - 50 * size, 6 * size, 7 * size, np.array([205, 170, 140], dtype=np.float32))


def _crowd(picture: np.ndarray, act: Act, second: float, strength: float) -> None:
    """People who stand together and do nothing."""
    rng = np.random.default_rng(act.seed)
    for _ in range(4):
        colour = rng.uniform(40, 170, size=3).astype(np.float32)
        _person(picture, rng.uniform(90, 230), HEIGHT - 12 - rng.uniform(0, 25), 1.0, colour * strength, 2)


def _car(picture: np.ndarray, act: Act, second: float, strength: float) -> None:
    rng = np.random.default_rng(act.seed)
    colour = rng.uniform(50, 230, size=3).astype(np.float32)
    left = int(-90 + (WIDTH + 90) * (second - act.start) / (act.end - act.start))
    for top, start, end, shade in ((175, 0, 90, 1.0), (158, 18, 70, 0.7)):
        picture[top : top + 22, max(left + start, 0) : max(left + end, 0)] = colour * shade
    for wheel in (18, 70):
        _disc(picture, left + wheel, 198, 9, 9, np.zeros(3, dtype=np.float32))


def _fight(picture: np.ndarray, act: Act, second: float, strength: float) -> None:
    """A tangle of limbs in a cloud of dust, another tangle in every picture."""
    spot = np.random.default_rng(act.seed)
    column, row = spot.uniform(110, 210), spot.uniform(155, 185)
    rng = np.random.default_rng([act.seed, int(second * RATE)])
    dust = np.array([222, 196, 150], dtype=np.float32)
    for _ in range(14):
        _disc(picture, column + rng.normal(0, 32), row + rng.normal(0, 18), 30, 24, dust, 0.75 * strength)
    for _ in range(9):
        colour = np.array([[160, 30, 30], [30, 30, 60], [205, 170, 140]][int(rng.integers(3))], dtype=np.float32)
        long = rng.random() < 0.5
        _disc(
            picture, column + rng.normal(0, 22), row + rng.normal(0, 18), 20 if long else 5, 5 if long else 20, colour
        )


def _explosion(picture: np.ndarray, act: Act, second: float, strength: float) -> None:
    """A fireball that flickers under smoke, and its light on everything."""
    spot = np.random.default_rng(act.seed)
    column, row = spot.uniform(90, 230), spot.uniform(110, 160)
    rng = np.random.default_rng([act.seed, int(second * RATE)])
    picture += strength * np.array([45, 22, 0], dtype=np.float32)
    size = 45 + 25 * min((second - act.start) / 2, 1) + rng.normal(0, 3)
    _disc(picture, column, row - size, 1.2 * size, size, np.array([50, 48, 46], dtype=np.float32), 0.8 * strength)
    for share, colour in ((1.0, (215, 70, 20)), (0.75, (245, 140, 30)), (0.45, (255, 240, 170))):
        shake = rng.normal(0, 4, size=2)
        ball = np.array(colour, dtype=np.float32)
        _disc(picture, column + shake[0], row + shake[1], share * size, share * size, ball, strength)


def _disc(
    picture: np.ndarray, column: float, row: float, wide: float, tall: float, colour: np.ndarray, cover: float = 1.0
) -> None:
    """An ellipse of half-axes `wide` and `tall`, painted with `cover` in 0..1."""
    top, bottom = max(int(row - tall), 0), min(int(row + tall) + 2, HEIGHT)
    left, right = max(int(column - wide), 0), min(int(column + wide) + 2, WIDTH)
    if top >= bottom or left >= right:
        return
    rows, columns = _ROWS[top:bottom, left:right], _COLUMNS[top:bottom, left:right]
    inside = ((rows - row) / tall) ** 2 + ((columns - column) / wide) ** 2 <= 1
    patch = picture[top:bottom, left:right]
    patch[inside] += cover * (colour - patch[inside])


_SHOWN = {"crowd": _crowd, "car": _car, "fighting": _fight, "explosion": _explosion}
