"""Training steps with one saving taken away at a time, beside the step that has them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.plain.savings import SAVINGS, without
from tools.bench.steps import Case, Step, cases
from tools.bench.timing import Row, compare


def savings_rows(quick: bool, repeats: int) -> Iterator[Row]:
    """A row a saving and network; the ratio is the time without the saving over the time with all of them."""
    for case in cases(quick)[:2]:
        for saving in SAVINGS:
            name = f"{case.name.partition(',')[0]} without {saving}"
            yield compare("savings", name, _step(case), _without(case, saving), repeats, warm=False)


def _step(case: Case) -> Callable[[], float]:
    return Step(case, case.batches(1), ours=True)


def _without(case: Case, saving: str) -> Callable[[], float]:
    """The step of a model that is built and run without the saving."""
    with without(saving):
        step = _step(case)

    def run() -> float:
        with without(saving):
            return step()

    return run
