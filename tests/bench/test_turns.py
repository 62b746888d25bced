"""Trainings as processes, run on the CPU in small: by turns, at the same time, failing."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch

from mmvad.bench import together, turns
from mmvad.bench.made import configuration
from mmvad.bench.processes import READY, Child, answers
from mmvad.bench.together import train_together
from mmvad.bench.turns import MEMORY, steps_by_turns, wave_size
from mmvad.config.schema import Config
from mmvad.system.device import training_device

SMALL = ("data.segment_length=64", "model.text.architecture=tiny", "data.batch_size=4")
SULTANI = (*SMALL, "model.name=sultani", "modalities=v", "data.balanced=on")


def made(*overrides: str) -> Config:
    return configuration("xd_violence", *overrides)


@pytest.mark.slow
def test_a_step_of_each_in_waves_though_one_fails() -> None:
    """Ours are in the first wave, of which one has an epoch that is too short."""
    wanted = {
        ("xd", "a peer"): made(*SULTANI),
        ("xd", "ours"): made(*SMALL),
        ("xd", "short"): made(*SMALL, "data.batch_size=128", "data.crops=together"),
        ("ucf", "a peer"): configuration("ucf_crime", *SULTANI),
    }
    found = steps_by_turns(wanted, training_device("cpu", "auto", 1), size=2)
    assert list(found) == list(wanted)
    assert found.pop(("xd", "short")) == "dual_stream: ValueError: 45 steps: an epoch of dual_stream has 26"
    assert all(isinstance(seconds, float) and 0 < seconds < 30 for seconds in found.values())
    assert not multiprocessing.active_children()


def test_what_is_not_ready_in_time_is_said_and_ended() -> None:
    found = steps_by_turns({"a": made(*SMALL)}, training_device("cpu", "auto"), limit=0.1)
    assert found == {"a": "not done after 0.1 s"}
    assert not multiprocessing.active_children()


class Told:
    """A training's process that says this in turn; what happens to it is noted."""

    def __init__(self, name: str, happened: list[str], *said: float | str) -> None:
        self.name, self.happened, self.said = name, happened, list(said)

    def go_on(self) -> None:
        self.happened.append(f"{self.name} goes on")

    def end(self) -> None:
        self.happened.append(f"{self.name} is ended")


def test_each_is_timed_while_the_others_sleep_and_its_least_turn_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []

    def heard(asked: Sequence[Told], limit: float) -> Iterator[tuple[int, float | str]]:
        for number, child in enumerate(asked):
            happened.append(f"{child.name} says")
            yield number, child.said.pop(0)

    said: dict[str, tuple[float | str, ...]] = {"a": (READY, 0.3, 0.2), "b": ("late",), "c": (READY, 0.2, "no room")}
    children = [Told(name, happened, *own) for name, own in said.items()]
    monkeypatch.setattr(turns, "trainings", lambda *_, **__: nullcontext(children))
    monkeypatch.setattr(turns, "answers", heard)
    found = steps_by_turns({name: made(*SMALL) for name in said}, training_device("cpu", "auto"), size=3)
    assert found == {"a": 0.2, "b": "late", "c": "no room"}
    before = ["a says", "b says", "c says", "b is ended"]
    assert happened == [*before, *2 * ["a goes on", "a says"], *2 * ["c goes on", "c says"], "c is ended"]


@pytest.mark.parametrize(
    ("cores", "gigabytes", "size"), [(1, 80, 1), (2, 80, 1), (6, 80, 4), (16, 79, 7), (16, 139, 13), (64, 5, 1)]
)
def test_a_wave_is_as_large_as_cores_and_memory_allow(
    cores: int, gigabytes: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(cores)))
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (gigabytes * MEMORY // 10, 0))
    assert wave_size(torch.device("cuda")) == size
    assert wave_size(torch.device("cpu")) == max(1, cores - 2)


@pytest.mark.slow
def test_two_train_at_the_same_time() -> None:
    configs = (made(*SMALL), made(*SULTANI))
    place = training_device("cpu", "auto", 1)
    ours, peer = train_together(configs, place, seconds=0.5)
    assert 0 < peer < ours < 30


def test_a_process_that_fails_ends_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(together, "answers", lambda asked, limit: iter([(1, "sultani: no room")]))
    with pytest.raises(RuntimeError, match="sultani: no room"):
        train_together((made(*SMALL), made(*SULTANI)), training_device("cpu", "auto"))
    assert not multiprocessing.active_children()


def test_a_process_that_takes_too_long_is_said() -> None:
    with pytest.raises(RuntimeError, match=r"not done after 0\.1 s"):
        train_together((made(*SMALL),), training_device("cpu", "auto"), limit=0.1)
    assert not multiprocessing.active_children()


def test_answers_are_those_that_come_in_time_and_ends_are_said() -> None:
    pipes = [multiprocessing.Pipe() for _ in range(3)]
    children = [Child(SimpleNamespace(exitcode=-9, join=lambda: None), here) for here, _ in pipes]
    pipes[1][1].close()
    pipes[2][1].send(0.25)
    found = list(answers(children, 0.1))
    assert dict(found) == {0: "not done after 0.1 s", 1: "its process ended with code -9", 2: 0.25}
    assert found[-1][0] == 0
    children[1].go_on()  # which the dead does not hear
