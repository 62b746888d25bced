"""From a feature release to a bank: one look at all headers, then one copy."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np

from mmvad.bank.bank import is_bank, open_bank, renew_facts
from mmvad.bank.index import BankVideo, Rows, bank_video, content_hash, pack
from mmvad.bank.writer import BankWriter, partial_of
from mmvad.benchmarks.benchmark import Split
from mmvad.errors import UserError
from mmvad.releases.arrays.normalise import Normalise, normalised
from mmvad.releases.arrays.reading import load_rows
from mmvad.releases.examining import examine, forbidding, refusal
from mmvad.releases.findings import Kind, keep_full_list
from mmvad.releases.joining import join_audio
from mmvad.releases.layouts import LayoutName
from mmvad.releases.options import AudioPolicy, Options
from mmvad.releases.planning import Entry, Plan, load_visual
from mmvad.system.progress import progress_bar


def import_release(
    benchmark_name: str | Path,
    source: Path | str | None,
    out: Path | str,
    *,
    lists: Path | str | None = None,
    audio: AudioPolicy | None = None,
    dtype: str | None = None,
    subset: bool = False,
    overwrite: bool = False,
    crops: Sequence[int] | None = None,
    visual_width: int | None = None,
    audio_width: int | None = None,
    layout: LayoutName | None = None,
    fold: str | None = None,
    full_list: Path | None = None,
    progress: bool = True,
) -> Path:
    """Packs the release at `source` into a bank at `out`; returns `out`.

    Killed at any moment it leaves no half bank, and started again it goes on where it was; an import that would give
    the bank that is there already changes nothing.

    Args:
        lists: the folder of lists and annotations; `source` and its folders of that name if None.
        audio: `required` (every video has sound), `optional`, `none`; what the benchmark says if None.
        dtype: of the bank; the source's if None.
        subset: accept a split with missing videos.
        overwrite: replace a bank with other content.
        crops: which crops to take, all if None; of test videos the tested crop is always taken.
        visual_width: columns of a visual file; what the layout says if None.
        audio_width: columns of a file of sound; 128 (VGGish) if None, and of a user's benchmark any.
        layout: `clip` or `i3d`; what the folder looks like if None.
        fold: which of a benchmark's splits, where it has several.
        full_list: where all findings are written, if there are more than an error names.

    Raises:
        UserError: for anything wrong with release, lists, options or disk.
    """
    out = Path(out)
    examined = examine(
        benchmark_name, source, lists=lists, audio=audio, crops=crops, visual_width=visual_width,
        audio_width=audio_width, layout=layout, fold=fold, progress=progress,
    )  # fmt: skip
    plan, options = examined.plan, examined.options
    judge(plan, sum(examined.listed.values()), subset, dtype, full_list)
    key = plan.fingerprint(dtype)
    how = describe(plan, options, subset, dtype, key)
    if is_bank(out) and same_content(plan, out, key, dtype, overwrite, progress):
        renewed = renew_facts(open_bank(out), plan.release.benchmark, plan.release.layout.features)
        now = "what the benchmark's file says of it is written anew" if renewed else "nothing to do"
        print(f"{out}: the bank has exactly this content already; {now}")
        return out
    _check_space(plan, out, dtype)
    print(_summary(plan, options, dtype, out))
    with BankWriter(out, plan.release.benchmark, how, dtype, overwrite=overwrite, resume_key=key) as writer:
        if writer.count:
            print(f"{out}: goes on behind {writer.count} finished videos")
        _copy(plan, writer, progress)
    return out


def _copy(plan: Plan, writer: BankWriter, progress: bool) -> None:
    """Adds the videos that the bank does not hold yet."""
    with progress_bar("importing", plan.bytes, in_bytes=True, show=progress) as advance:
        for entry in plan.entries:
            if not writer.holds(entry.video):
                writer.add(entry.video, *load_entry(entry, plan.release.normalise))
            advance(sum(file.share for file in entry.files))


def judge(plan: Plan, listed: int, subset: bool, dtype: str | None, full_list: Path | None = None) -> None:
    """Raises UserError for findings that forbid the import, warns of those that do not."""
    wrong = forbidding(plan.findings, subset, dtype)
    if wrong:
        raise refusal(plan.release, wrong, listed, keep_full_list(full_list, wrong))
    _warn_of(plan, "extra", "files are passed over")
    _warn_of(plan, "incomplete", "videos lack crops that most have")
    _warn_of(plan, "misplaced", "files seem to lie in the wrong place or under another name, and are not taken")
    tested = plan.release.benchmark.test_crop
    if tested not in plan.crops["test"]:
        found = ", ".join(map(str, plan.crops["test"])) or "none"
        print(f"warning: crop {tested}, the tested one, is missing; set data.test_crop ({found})", file=sys.stderr)


def _warn_of(plan: Plan, kind: Kind, what: str) -> None:
    found = [finding for finding in plan.findings if finding.kind == kind]
    if found:
        print(f"warning: {len(found)} {what}, first {found[0].detail}", file=sys.stderr)


def load_entry(entry: Entry, scale: Normalise = "none") -> tuple[dict[int, np.ndarray], np.ndarray | None]:
    """The video's crops, each [snippets, d], and its sound, joined to [snippets, d_a]; rows scaled as `scale` says."""
    visual = {crop: normalised(rows, scale) for crop, rows in load_visual(entry.visual).items()}
    if entry.audio is None:
        return visual, None
    first = next(iter(entry.visual.values()))
    sound = join_audio(load_rows(entry.audio), first.rows, entry.audio.path, first.path)
    return visual, normalised(sound, scale)


def same_content(plan: Plan, out: Path, key: str, dtype: str | None, overwrite: bool, progress: bool) -> bool:
    """Whether the bank at `out` is what this import would write. Raises UserError if not, unless `overwrite`."""
    try:
        bank = open_bank(out)
    except UserError:
        if overwrite:
            return False
        raise
    if bank.manifest.get("how", {}).get("fingerprint") == key:
        return True
    if overwrite:
        return False
    # other files may still hold the same: only reading them tells
    if _hash_of(plan, dtype, progress) == bank.content_hash:
        return True
    raise UserError(
        out,
        "a bank with other content is there already",
        expected=f"the content that is there, hash {bank.content_hash[:12]}",
        fix="choose another place with --out, or replace it with --overwrite",
    )


def describe(plan: Plan, options: Options, subset: bool, dtype: str | None, key: str) -> dict[str, Any]:
    """How the bank was made, for its manifest."""
    folders: dict[str, dict[str, int]] = {}
    for header in (header for entry in plan.entries for header in entry.files):
        name = Path(os.path.relpath(header.path.parent, plan.release.root)).as_posix()
        folder = folders.setdefault(name, {"files": 0, "bytes": 0})
        folder["files"] += 1
        folder["bytes"] += header.share
    return {
        "made_by": "mmvad data import",
        "release": plan.release.root.resolve().name,
        "features": plan.release.layout.features,
        "sources": folders,
        "audio": options.audio,
        "crops": "all" if options.crops is None else list(options.crops),
        "dtype": dtype or "the source's",
        **({} if plan.release.normalise == "none" else {"normalise": plan.release.normalise}),
        "subset": subset,
        "fingerprint": key,
        "extraction": extraction_of(plan.release.root),
    }


def extraction_of(root: Path) -> dict[str, Any] | None:
    """How `mmvad extract` made the features of a folder, as its features.json says; None for any other release."""
    try:
        made = json.loads((root / "features.json").read_text(encoding="utf-8"))
        return {part: made[part] for part in ("visual", "audio", "versions")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _hash_of(plan: Plan, dtype: str | None, progress: bool) -> str:
    """The content hash of the bank that the import would write."""
    splits: dict[Split, list[BankVideo]] = {split: [] for split in get_args(Split)}
    rows: dict[str, Rows] = {}
    for entry in _with_bar(plan, progress):
        packed = pack(entry.video.name, *load_entry(entry, plan.release.normalise), dtype)
        for modality, block in (("visual", packed.visual), ("audio", packed.audio)):
            if block is not None:
                rows.setdefault(modality, Rows(int(block.shape[1]), block.dtype.name))
        splits[entry.video.split].append(bank_video(entry.video, packed, 0, 0))
    return content_hash(plan.release.benchmark.name, rows["visual"], rows.get("audio"), splits) if rows else ""


def _with_bar(plan: Plan, progress: bool) -> Iterator[Entry]:
    with progress_bar("comparing", plan.bytes, in_bytes=True, show=progress) as advance:
        for entry in plan.entries:
            yield entry
            advance(sum(file.share for file in entry.files))


def _check_space(plan: Plan, out: Path, dtype: str | None) -> None:
    """Raises UserError if the bank cannot fit on the disk."""
    need = sum(_bank_bytes(entry, dtype) for entry in plan.entries)
    existing = next(folder for folder in out.resolve().parents if folder.exists())
    partial = partial_of(out.resolve())
    resumed = sum(path.stat().st_size for path in partial.rglob("*.npy")) if partial.is_dir() else 0
    free = shutil.disk_usage(existing).free + resumed
    if need > free:
        problem = f"no space left: the bank needs {_gib(need)}, {_gib(free)} are free"
        fix = "free space, choose another disk with --out, or halve the bank with --dtype float16"
        raise UserError(out, problem, fix=fix)


def _bank_bytes(entry: Entry, dtype: str | None) -> int:
    return sum(file.rows * file.width * np.dtype(dtype or file.dtype).itemsize for file in entry.files)


def _gib(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"


def _summary(plan: Plan, options: Options, dtype: str | None, out: Path) -> str:
    counts = {split: sum(entry.video.split == split for entry in plan.entries) for split in get_args(Split)}
    crops = "; ".join(f"{split} crops {','.join(map(str, plan.crops[split]))}" for split in counts if counts[split])
    with_sound = sum(entry.audio is not None for entry in plan.entries)
    size = sum(_bank_bytes(entry, dtype) for entry in plan.entries)
    return (
        f"{plan.release.benchmark.title}: {counts['train']} training and {counts['test']} test videos, "
        f"{with_sound} with sound (audio {options.audio}); {crops}; dtype {dtype or 'of the source'}; "
        f"{_gib(size)} to {out}"
    )
