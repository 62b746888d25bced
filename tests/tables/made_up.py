"""Run folders without training: random scores on an index of made-up test videos."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmvad.bank.index import BankVideo, to_record
from mmvad.benchmarks.benchmark import Event
from mmvad.benchmarks.registry import benchmark as benchmark_named
from mmvad.benchmarks.registry import own_benchmark
from mmvad.config.load import dump, load_config, plain
from mmvad.metrics.evaluate import evaluate
from mmvad.metrics.measures import USE, measures
from mmvad.metrics.scored_video import ScoredVideo
from mmvad.runs import RunFolder, write_json, write_scores

BASES = Path(__file__).resolve().parents[2] / "experiments"
VERSIONS = {"python": "3.11.7", "torch": "2.15.0"}


def make_bank(path: Path, benchmark: str = "planted", videos: int = 24, seed: int = 0) -> str:
    """A bank's test index, without features; gives its content hash."""
    keys, draw = benchmark_named(benchmark).class_keys, np.random.default_rng(seed)
    records = []
    for i in range(videos):
        snippets = int(draw.integers(12, 40))
        label = keys[0] if i % 2 else keys[1 + (i // 2) % (len(keys) - 1)]
        events = () if i % 2 else (Event(label, 16 * (snippets // 3), 16 * (2 * snippets // 3)),)
        intervals = tuple((e.start, e.end) for e in events)
        records.append(to_record(BankVideo(f"video{i:03d}", (label,), snippets, (0,), 0, None, events, intervals)))
    digest = hashlib.sha256(json.dumps([benchmark, records]).encode()).hexdigest()
    (path / "test").mkdir(parents=True)
    (path / "test" / "videos.json").write_text(json.dumps(records))
    (path / "manifest.json").write_text(json.dumps({"format": 1, "benchmark": benchmark, "content_hash": digest}))
    return digest


def scored(bank: Path, skill: float, seed: int, *, coarse: bool = True, fine: bool = True) -> list[ScoredVideo]:
    """Random outputs that know the truth the better the higher `skill` is."""
    manifest = json.loads((bank / "manifest.json").read_text())
    keys, draw = benchmark_named(manifest["benchmark"]).class_keys, np.random.default_rng(seed)
    made = []
    for record in json.loads((bank / "test" / "videos.json").read_text()):
        n = record["snippets"]
        truth = np.zeros((n, len(keys)))
        for label, start, end in record["events"]:
            truth[start // 16 : end // 16, keys.index(label)] = 1
        inside = truth.sum(axis=1)
        truth[:, 0] = 1 - inside
        logits = skill * truth + draw.normal(size=truth.shape)
        classes = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        confidence = 1 / (1 + np.exp(-(skill * (inside - 0.5) + draw.normal(size=n))))
        events = tuple(Event(*event) for event in record["events"])
        intervals = tuple((e.start, e.end) for e in events)
        made.append(
            ScoredVideo(
                record["name"],
                tuple(record["labels"]),
                events,
                intervals,
                confidence.astype(np.float32) if coarse else None,
                classes.astype(np.float32) if fine else None,
            )
        )
    return made


def make_run(
    results: Path,
    bank: Path,
    changes: Sequence[str] = (),
    *,
    seed: int = 0,
    skill: float = 2.0,
    noise: int | None = None,
    **manifest: Any,
) -> RunFolder:
    """A finished run of `experiments/BENCHMARK.yaml` (a user's: of `small.yaml`) with some `key=value` changed.

    `noise` seeds its scores.
    """
    bank_manifest = json.loads((bank / "manifest.json").read_text())
    name = bank_manifest["benchmark"]
    base = BASES / f"{name if own_benchmark(name) is None else 'small'}.yaml"
    config = load_config([base], [f"benchmark={name}", f"seed={seed}", f"data.bank={bank}", *changes])
    tree = plain(config)
    del tree["runtime"], tree["data"]["bank"]
    content = json.dumps([tree, bank_manifest["content_hash"], manifest], sort_keys=True)
    identity = hashlib.sha256(content.encode()).hexdigest()
    folder = RunFolder(results / f"{name}-{config.modalities}-s{seed}-{identity[:12]}")
    folder.path.mkdir(parents=True)
    folder.config.write_text(dump(config))
    videos = scored(
        bank,
        skill,
        seed if noise is None else noise,
        coarse=config.loss.coarse,
        fine=config.uses_text and config.loss.fine,
    )
    write_scores(folder.scores, videos)
    spec = {"device": "CPU", "precision": "32-true", "versions": VERSIONS, "test_seconds": 2.0, "train_seconds": 9.0}
    spec |= {"finished": f"2026-01-01T00:00:{seed:02d}", "bank": {"path": str(bank)}, **manifest}
    write_json(folder.manifest, spec)
    report = {
        "schema": 1,
        "identity": identity,
        "bank_hash": bank_manifest["content_hash"],
        "precision": spec["precision"],
        "config": tree,
        "select": config.select,
        "selected_on_test": config.select == "best_test",
        "trainable_parameters": 1_234_567,
        **evaluate(benchmark_named(name), videos, trapezoid=config.quirks.trapezoid_ap),
        USE: measures(benchmark_named(name), videos),
    }
    write_json(folder.report, report)
    return folder


def make_runs(results: Path, bank: Path, rows: Iterable[tuple[Sequence[str], float]], seeds: int = 3) -> None:
    """Every row (changes, skill) with every seed."""
    for position, (changes, skill) in enumerate(rows):
        for seed in range(seeds):
            make_run(results, bank, changes, seed=seed, skill=skill, noise=100 * position + seed)
