"""The peers that were run here: which runs stand for each, and what has to be said of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from mmvad.benchmarks.registry import known_benchmark, own_benchmark
from mmvad.config.load import load_config, plain
from mmvad.config.shipped import find_file
from mmvad.models.method import Method, Variant
from mmvad.models.outside import OURS
from mmvad.models.peers.registry import PEERS
from mmvad.tables.definitions import SPELLED, Settings
from mmvad.tables.frame import NOTED, REPEATED, RUN_COLUMNS, data_of, flat, method_of, repetition, scores_from
from mmvad.tables.marks import NOT_TRAINED
from mmvad.tables.notes import first_few, other_settings
from mmvad.tables.results import Record, Results, equal, written

PEER_FILES = Path("experiments") / "peers"
_FILE_NAMES = {"xd_violence": "xd", "ucf_crime": "ucf"}
_NOT_CONTEXT = {*RUN_COLUMNS, *REPEATED, NOTED} - {"schema", "features", "test_videos"}


@dataclass(frozen=True)
class Measured:
    """The runs of one method: one a seed, all of one configuration.

    Attributes:
        rivals: other configurations, as the keys in which they differ.
        variant: which of the method's networks it is, where that has a row of its own.
    """

    name: str
    runs: tuple[Record, ...]
    rivals: tuple[str, ...]
    variant: Variant | None = None

    @property
    def peer(self) -> Method:
        return _method(self.name, self.runs)

    @property
    def title(self) -> str:
        return (self.variant or self.peer).title + " (published weights)" * self.imported

    @property
    def imported(self) -> bool:
        """Whether its weights are public ones, not trained here."""
        return is_imported(self.runs[0])

    @property
    def published(self) -> str | None:
        """Its name among the published figures."""
        own = (self.variant or self.peer).published
        return own or (self.title if self.elsewhere else None)

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """The files that its scores came from, where another program wrote them."""
        found = [source for record in self.runs if (source := scores_from(record))]
        return tuple(dict.fromkeys(found))

    @property
    def modality(self) -> str:
        """What it reads at test; a dash where scores from elsewhere do not say."""
        return SPELLED.get(self._read["modalities"], "-")

    @property
    def features(self) -> str:
        return features_of(self._read)

    @property
    def _read(self) -> Record:
        """The first run, with the modalities that are read at test."""
        return {**self.runs[0], "modalities": self.variant.modalities} if self.variant else self.runs[0]


def measured(results: Results, benchmark: str) -> list[Measured]:
    """Every method but ours with runs on the benchmark: peers by year, then those from outside and from elsewhere."""
    found = []
    for name in [*PEERS, *(model for model in results.models(benchmark) if model not in {OURS, *PEERS})]:
        records = results.of(benchmark, name)
        method = _method(name, records)
        for variant, public in product((None, *method.variants), (False, True)):
            own = [r for r in records if _variant(method, r) == variant and is_imported(r) == public]
            found += [_chosen(name, own, variant)] if own else []
    return found


def is_imported(record: Record) -> bool:
    """Whether a run's weights are public ones, which `mmvad import-weights` brought."""
    return bool(record.get("published_weights"))


def _method(name: str, records: Sequence[Record]) -> Method:
    return PEERS.get(name) or method_of(records[0]) or Method(name)


def _variant(method: Method, record: Record) -> Variant | None:
    return next((variant for variant in method.variants if record.get(variant.key) == variant.value), None)


def _chosen(name: str, records: Sequence[Record], variant: Variant | None) -> Measured:
    """The configuration whose checkpoints were not chosen on the test set, if there is one; of those the one with most
    seeds, then that of the last epochs, then the newest. Of a seed that was run twice the newest run."""
    groups: dict[str, dict[tuple[str, int], Record]] = defaultdict(dict)
    for record in sorted(records, key=lambda r: (str(r["finished"]), r["identity"])):
        groups[repr(sorted(_context(record).items()))][repetition(record)] = record

    def merit(runs: dict[tuple[str, int], Record]) -> tuple:
        policy = next(iter(runs.values()))["select"]
        return policy != "best_test", len(runs), policy == "last", max(str(run["finished"]) for run in runs.values())

    chosen = max(groups.values(), key=merit)
    first = _context(next(iter(chosen.values())))
    others = [_context(next(iter(runs.values()))) for runs in groups.values() if runs is not chosen]
    runs = tuple(chosen[key] for key in sorted(chosen))
    return Measured(name, runs, tuple(_apart(other, first) for other in others), variant)


def _context(record: Record) -> Settings:
    left = {key: value for key, value in record.items() if key not in _NOT_CONTEXT}
    return {**left, "bank_hash": data_of(record)}


def _apart(other: Settings, chosen: Settings) -> str:
    return ", ".join(written(key, value) for key, value in other.items() if not equal(value, chosen.get(key)))


def features_of(record: Record) -> str:
    """What a run's pictures, and its sound where it uses any, were read with; of scores from elsewhere what is said."""
    visual = str(record.get("features") or "CLIP")
    if scores_from(record) or "a" not in record["modalities"] or visual == "planted":
        return visual
    return f"{visual}+{'sound' if own_benchmark(record['benchmark']) else 'VGGish'}"


def peer_notes(peers: Sequence[Measured], benchmark: str) -> list[str]:
    """Which configurations were left out, and where those that are shown are not the shipped ones."""
    notes = [f"{p.title}: {_left_out(p.rivals)}" for p in peers if p.rivals]
    unknown, differing = [], defaultdict(list)
    for peer in (p for p in peers if p.name in PEERS):
        file = PEER_FILES / f"{peer.name}_{_FILE_NAMES.get(benchmark, benchmark)}.yaml"
        shipped = _shipped(peer, benchmark, file)
        differing[", ".join(other_settings(peer.runs[0], shipped or {}))].append((peer.title, file))
        unknown += [peer.title] if shipped is None else []
    notes += [_other_settings_note(settings, found) for settings, found in differing.items() if settings]
    imported = [peer.title for peer in peers if peer.imported]
    notes += [f"{', '.join(imported)}: {NOT_TRAINED}"] if imported else []
    if unknown:
        title = known_benchmark(benchmark).title
        notes.append(f"settings not compared: {PEER_FILES} has no file for {title} of {', '.join(unknown)}")
    return notes


def _other_settings_note(settings: str, found: Sequence[tuple[str, Path]]) -> str:
    """Methods that differ from their files in the same settings share a line."""
    titles = ", ".join(title for title, _ in found)
    files = str(found[0][1]) if len(found) == 1 else f"their files in {PEER_FILES}"
    return f"{titles}: settings other than those of {files}: {settings}"


def _left_out(rivals: Sequence[str]) -> str:
    count = f"{len(rivals)} other configurations were" if len(rivals) > 1 else "another configuration was"
    return f"{count} run too and left out: {first_few(rivals)}"


def _shipped(peer: Measured, benchmark: str, file: Path) -> Settings | None:
    """What the method's file says of all that decides its figures; without what a row is marked with.

    None where it has no file for this benchmark.
    """
    if find_file(file, "experiments") is None:
        return None
    settings = flat(plain(load_config([PEER_FILES.parent / f"{benchmark}.yaml", file])))
    marked = {key for key, value in peer.peer.switches.items() if equal(peer.runs[0].get(key), value)}
    read = ("data.", "optim.", "peers.", *(["model.text."] if "t" in settings["modalities"] else []))
    unread = {"data.bank", *_unread(peer.runs[0]), *marked}
    return {key: value for key, value in settings.items() if key.startswith(read) and key not in unread}


def _unread(settings: Settings) -> set[str]:
    """Keys of the schedule that the chosen one does not read."""
    reader = {"optim.milestones": "milestones", "optim.cosine_share": "cosine"}
    return {key for key, schedule in reader.items() if settings.get("optim.schedule") != schedule}
