"""What is wrong with a release or a bank, and its listing: one entry for each thing that is wrong, not one a file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from mmvad.benchmarks.benchmark import Split
from mmvad.errors import UserError
from mmvad.system.disk import write_whole

Kind = Literal[
    "missing", "misplaced", "incomplete", "no audio", "empty", "extra", "bad file", "length", "dtype", "not finite",
    "changed",
]  # fmt: skip
"""`misplaced`: the file is missing, and one of its name, or a name like it, lies elsewhere."""

PARTIAL: tuple[Kind, ...] = ("missing", "misplaced", "incomplete")
"""What --subset accepts."""

EXAMPLES = 3
"""How many findings of one kind are named; the others are counted."""


HEADING = "kind\tsplit\tvideo\twhat is wrong"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a video's files. `split` and `video` are empty where it is of none alone."""

    kind: Kind
    split: Split | Literal[""]
    video: str
    error: UserError

    @property
    def detail(self) -> str:
        return " ".join(line.strip() for line in str(self.error).splitlines())

    @property
    def without_numbers(self) -> str:
        """What is wrong, the same for files that differ in their numbers alone."""
        return re.sub(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", "N", self.error.problem)


def grouped(findings: Sequence[Finding]) -> list[list[Finding]]:
    """The findings, those of one problem together, in the order in which the problems came."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.kind, finding.without_numbers), []).append(finding)
    return list(groups.values())


def listing(findings: Sequence[Finding]) -> Iterator[str]:
    """The lines that show the findings: of one problem a count and the first few files."""
    for group in grouped(findings):
        split = group[0].split if len({finding.split for finding in group}) == 1 else "both"
        first, *rest = _one(group[0]) if len(group) == 1 else _many(group)
        yield f"{group[0].kind:<11} {split or '-':<6} {first}"
        yield from (f"{'':<18} {line}" for line in rest)


def is_cut(findings: Sequence[Finding]) -> bool:
    """Whether the listing leaves out files."""
    return any(len(group) > EXAMPLES for group in grouped(findings))


def write_list(path: Path, findings: Sequence[Finding]) -> None:
    """Writes every finding in a line: kind, split, video, what is wrong. Raises UserError where it cannot."""
    rows = [HEADING]
    rows += ["\t".join((finding.kind, finding.split, finding.video, finding.detail)) for finding in findings]
    text = "".join(f"{row}\n" for row in (row.replace("\n", " ") for row in rows))
    write_whole(path, text.encode("utf-8", errors="surrogateescape"))


def keep_full_list(path: Path | None, findings: Sequence[Finding]) -> str:
    """A sentence that says where the full list is, written to `path` if the listing leaves out files; "" if not.

    A list that was written before and no longer holds goes.
    """
    if path is None:
        return ""
    if not is_cut(findings):
        _forget_list(path)
        return ""
    try:
        write_list(path, findings)
    except UserError as error:
        return f"the full list could not be written: {error.where}: {error.problem}"
    return f"all {len(findings)} findings are listed in {path}"


def _forget_list(path: Path) -> None:
    """Removes a list of findings; nothing that is none."""
    with suppress(OSError, UnicodeDecodeError), path.open(encoding="utf-8") as file:
        if file.readline().rstrip("\n") == HEADING:
            path.unlink()


def counts_table(findings: Sequence[Finding], videos: Mapping[Split, int]) -> Iterator[str]:
    """The lines of a table: by split the videos and the findings of each kind."""
    kinds = sorted({finding.kind for finding in findings})
    counts = Counter((finding.kind, finding.split) for finding in findings)
    yield "  ".join(["split ", "  videos", *(f"{kind:>10}" for kind in kinds)])
    for split in (*get_args(Split), ""):
        if split or any(counts[kind, ""] for kind in kinds):
            cells = [f"{counts[kind, split]:>10}" for kind in kinds]
            yield "  ".join([f"{split or '-':<6}", f"{videos.get(split, ''):>8}", *cells])


def summary(findings: Sequence[Finding]) -> str:
    """The listing in the lines of an error's text, without its splits."""
    lines: list[str] = []
    for group in grouped(findings):
        first, *rest = _one(group[0]) if len(group) == 1 else _many(group)
        lines += [first, *(f"  {line}" for line in rest)]
    return "\n".join(f"  {line}" for line in lines)


def _one(finding: Finding) -> list[str]:
    first, *rest = str(finding.error).splitlines()
    of = finding.video or ("(the split)" if finding.split else "(all)")
    return [f"{of}: {first}", *(line.removeprefix("  ") for line in rest)]


def _many(group: Sequence[Finding]) -> list[str]:
    """A problem of several files: its count, the first files, then what would be right and what to do, said once."""
    problems = Counter(finding.error.problem for finding in group)
    alike = len(problems) == 1
    lines = [f"{len(group)} findings: {group[0].error.problem if alike else group[0].without_numbers}"]
    for finding in group[:EXAMPLES]:
        own = "" if alike else f": {finding.error.problem}"
        near = f" (did you mean {finding.error.nearest}?)" if finding.error.nearest else ""
        lines.append(f"  {finding.error.where}{own}{near}")
    lines += [f"  ... and {len(group) - EXAMPLES} more"] if len(group) > EXAMPLES else []
    first = group[0].error
    lines += [f"expected: {first.expected}"] if first.expected else []
    lines += [f"fix: {first.fix}"] if first.fix else []
    return lines
