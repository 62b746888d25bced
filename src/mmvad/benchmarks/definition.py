"""The form of a benchmark's file, as YAML has it: what a benchmark is, and where a user's own files lie.

Field descriptions are what an error about such a file says of a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from mmvad.errors import UserError, nearest_name
from mmvad.sections import Count, NoSwitch, Positive, Section
from mmvad.system.plain_yaml import key_place, load_yaml

Split = Literal["train", "test"]


class RowSpan(Section):
    """What a row of features stands for: one of the three."""

    frames: Annotated[Positive | None, NoSwitch] = None
    """so many frames"""
    seconds: Annotated[Positive | None, NoSwitch] = None
    """so many seconds"""
    video: Annotated[Count | None, NoSwitch] = None
    """the whole video in so many rows, whatever its length"""

    @model_validator(mode="after")
    def one_of_three(self) -> RowSpan:
        if sum(value is not None for value in (self.frames, self.seconds, self.video)) != 1:
            raise ValueError("a row stands for one thing: {frames: 16}, {seconds: 0.96} or {video: 32}")
        return self

    @property
    def spelled(self) -> str:
        """In words: 8 frames, 0.96 seconds, 1/32 of the video."""
        if self.video is not None:
            return f"1/{self.video} of the video"
        return f"{self.frames:g} frames" if self.frames is not None else f"{self.seconds:g} seconds"


def _words(value: str) -> str:
    """Words of one line: a table, a folder and a text encoder take no others."""
    if not value.strip() or value != value.strip() or not value.isprintable():
        raise ValueError(f"{value!r} is no word: it is empty, or has blanks around it or a line's end in it")
    return value


def _fold(value: object) -> object:
    """A fold's name; a number counts as YAML reads it. It stands in the names of folders: of banks and of runs."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f'{value!r} is no name of a fold; quote what YAML takes for something else: "no"')
    if not re.fullmatch(r"\w[\w.+-]*", str(value)):
        raise ValueError(f"{str(value)!r} cannot stand in a folder's name; take letters, digits, _ . + -")
    return str(value)


Words = Annotated[str, AfterValidator(_words)]


def _a_file(value: object) -> object:
    return {"file": value} if isinstance(value, str) else value


def _files(value: object) -> object:
    """`videos.csv`, a list of such, or {train: a.csv, test: b.csv}."""
    if isinstance(value, dict) and value and value.keys() <= {"train", "test"}:
        tables = [(split, _a_file(table)) for split, table in value.items()]
        return [{**table, "split": split} for split, table in tables if isinstance(table, dict)]
    return value if isinstance(value, list | tuple) else [value]


class Table(Section):
    """A file of videos or events: CSV, TSV, JSON or JSON lines."""

    file: str
    """its place, from the benchmark's file; of masks and tracks a pattern with {video}, for a file a video"""
    form: Literal["table", "names", "masks", "tracks", "ucf_crime", "xd_violence"] = "table"
    """`table`; `names`: a list of videos, one a line; `masks`: 0 or 1 a frame, a file a video; `tracks`: first and last
    frame of an object a line, a file a video; or the form of a public benchmark's own list or annotation"""
    columns: dict[Literal["video", "split", "class", "frames", "fps", "start", "end", "events"], str] = Field(
        default_factory=dict
    )
    """our name: the file's name of a column or key, where that is none of the usual ones"""
    split: Split | None = None
    """the split of all its videos, where the file has no column for it"""
    label: dict[str, str] | str | None = Field(default=None, alias="class")
    """the class of all its videos; or by patterns of their names, {"Fire_*": fire, "*": normal}: the first that fits"""
    line: str | None = None
    """what a line of `names` looks like behind its last slash, such as "{video}_i3d.npy"; the bare name if not given"""


FRAME_FORMS = ("masks", "tracks")
"""Forms of events that are a file a video."""
Tables = Annotated[tuple[Annotated[Table, BeforeValidator(_a_file)], ...], BeforeValidator(_files)]


class Events(Section):
    """Annotated events of the test videos."""

    tables: Tables = Field(alias="file")
    """the files that have them"""
    unit: Literal["frames", "seconds", "fractions"] = "frames"
    """of start and end; fractions are of the video's frames"""
    end: Literal["exclusive", "inclusive"] = "exclusive"
    """whether the end's own frame belongs to the event"""


class Features(Section):
    """Files of features as patterns, such as `visual/{video}__{crop}.npy` or `{class}/{video}.txt`."""

    visual: str
    """of the picture; {video}, {crop}, {class}, {split} and * stand for parts of it"""
    audio: str | None = None
    """of the sound"""
    name: str = "own"
    """what the picture was read with, such as CLIP, I3D or C3D: tables say it"""
    axes: str = ""
    """of an array, where its sizes do not tell them: rows,columns or rows,crops,columns or crops,rows,columns"""
    array: str | None = None
    """which array of an .npz or .pt file"""
    normalise: Literal["none", "l2"] = "none"
    """l2: every row is divided by its length at import"""


def _events(value: object) -> object:
    if isinstance(value, dict) and "file" in value:
        options = {key: value[key] for key in ("unit", "end") if key in value}
        return {"file": {k: v for k, v in value.items() if k not in options}, **options}
    return {"file": value}


def _span(value: object) -> object:
    return {"frames": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


class Definition(Section):
    """A benchmark's file."""

    name: Annotated[str | None, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.+-]*$")] = None
    """how runs and tables call it; the file's own name if not given"""
    title: Words
    """how it is written in tables"""
    classes: Annotated[dict[Words, Words], Field(min_length=2)]
    """key: prompt, the normal class first; labels and events say the key, a text encoder reads the prompt"""
    headline: Literal["ap", "auc"] = "ap"
    """the metric that it is known for"""
    frames_per_second: Annotated[Positive, NoSwitch] = 30.0
    """of its videos; a column `fps` of the table of videos goes before it"""
    row: Annotated[RowSpan, BeforeValidator(_span)] = RowSpan(frames=16)
    """what a row of features stands for: 16 (frames), {frames: 8}, {seconds: 0.96} or {video: 32}"""
    frames: Literal["raw", "rows"] = "raw"
    """what is scored: every raw frame of a video, or 16 frames a row as the public protocol has it"""
    audio: Literal["required", "optional", "none"] = "optional"
    """whether videos have sound"""
    test_crop: Annotated[int, Field(ge=0), NoSwitch] = 0
    """the crop that is tested"""
    normal_events: bool = True
    """the published mAP gives every normal video one event of the normal class over all its frames"""
    official_counts: dict[Split, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """videos in the official train and test split"""
    settings: Literal["small", "planted", "ucf_crime", "xd_violence"] = "small"
    """which base configuration its runs begin with: small is for some hundred videos, the benchmarks' for thousands"""
    folds: tuple[Annotated[str, BeforeValidator(_fold)], ...] = ()
    """names of several splits of the same data; `{fold}` in a file's place stands for one of them"""
    note: str = ""
    """what is published on it, and where its files come from"""
    videos: Tables = ()
    """the table of videos: video, split, class, and where they are known frames and fps"""
    events: Annotated[Events | None, BeforeValidator(lambda value: value and _events(value))] = None
    """the table of events: video, class, start, end"""
    annotators: dict[Words, Annotated[Events, BeforeValidator(lambda value: _events(value))]] = Field(
        default_factory=dict
    )
    """name: the table of events of a further annotator; figures are said by each, `events` decides all others"""
    features: Features | None = None
    """files of features, as patterns"""

    @property
    def tables(self) -> Tables:
        """Every table of videos or events."""
        spoken = (*([self.events] if self.events else []), *self.annotators.values())
        return (*self.videos, *(table for events in spoken for table in events.tables))

    @model_validator(mode="after")
    def fits_together(self) -> Definition:
        if self.frames == "rows" and self.row.frames != 16:
            raise ValueError("frames: 'rows' counts 16 frames a row, but row says otherwise; set frames to raw")
        if twice := next((fold for fold in self.folds if self.folds.count(fold) > 1), None):
            raise ValueError(f"folds: {twice} stands twice")
        places = [t.file for t in self.videos] + ([self.features.visual] if self.features else [])
        if self.folds and places and not any("{fold}" in place for place in places):
            raise ValueError("folds: no file has {fold} in its place, so all folds would be the same data")
        if not self.folds and any("{fold}" in place for place in places):
            raise ValueError("folds: a file has {fold} in its place, but no fold is named; set folds to [0, 1, ...]")
        for problem in _misplaced(self.videos, self.tables[len(self.videos) :]):
            raise ValueError(problem)
        if "events" in self.annotators or (self.annotators and self.events is None):
            raise ValueError("annotators: are further ones; the first one's table is `events`, and its name")
        return self


def _misplaced(videos: Tables, events: Tables) -> Iterator[str]:
    """What is wrong with the forms of tables: each is of videos or of events, and says what the other does not need."""
    for table in videos:
        if table.form in FRAME_FORMS:
            yield f"videos: the form {table.form} is of events"
        if table.form == "names" and table.label is None:
            yield "videos: a list of names says no class; add class: KEY, or class: {PATTERN: KEY, ...}"
        if table.line is not None and (table.form != "names" or table.line.count("{video}") != 1):
            yield f"videos: line = {table.line!r} is of the form names, and has {{video}} once"
    for table in events:
        if table.form == "names" or table.label is not None or table.line is not None:
            yield "events: names, class and line are of videos"
        if table.form in FRAME_FORMS and table.file.count("{video}") < 1:
            yield f"events: {table.form} are a file a video; write its place as a pattern, such as masks/{{video}}.npy"


_OTHER_KINDS = {
    "a sweep": {"program", "method", "parameters"},
    "a configuration of runs": {"model", "optim", "data", "loss", "modalities"},
}


def read_definition(file: Path) -> Definition:
    """The definition in a benchmark's file. Raises UserError, naming line and column, for whatever is wrong in it."""
    try:
        content = load_yaml(file)
    except FileNotFoundError:
        raise UserError(file, "no such file", expected="a benchmark's YAML file") from None
    if not isinstance(content, dict):
        raise UserError(file, f"holds a {type(content).__name__}", expected="a benchmark: title, classes, videos, ...")
    if "classes" not in content:
        kind = next((kind for kind, keys in _OTHER_KINDS.items() if keys & content.keys()), None)
        if kind:
            raise UserError(file, f"is {kind}, not a benchmark", expected="a file with title, classes, videos, ...")
    return parse_definition(content, file)


def parse_definition(content: dict[str, Any], file: Path) -> Definition:
    """The definition that a tree of plain values gives. Raises UserError that names the place in `file`."""
    try:
        definition = Definition.model_validate(content)
    except ValidationError as error:
        raise _explain(error, file) from None
    return definition.model_copy(update={"name": definition.name or _name_of(file)})


def _name_of(file: Path) -> str:
    name = file.stem
    if not name[:1].isalpha() or not all(c.isalnum() or c in "_.+-" for c in name):
        fix = "say `name: my_benchmark` in it, in letters, digits, _ . + -"
        raise UserError(file, f"{name!r} cannot stand in a folder's name", fix=fix)
    return name


def _explain(error: ValidationError, file: Path) -> UserError:
    found = error.errors()
    misspelled = (e for e in found if e["type"] == "extra_forbidden" and e["loc"][-1] not in _known_keys(e["loc"]))
    details = next(misspelled, found[0])  # it is why another key is missing
    keys = [key for key in details["loc"] if not str(key).startswith(("function-", "tuple", "constrained"))]
    written = [key for key in keys if key not in {"[key]"}]
    where = key_place(file, written) if file.is_file() else str(file)
    name = ".".join(map(str, written))
    match details["type"]:
        case "missing":
            field = Definition.model_fields.get(str(keys[-1]))
            expected = field.description if field and len(keys) == 1 else None
            return UserError(file, f"the key {name!r} is missing", expected=expected, fix=f"add {keys[-1]}: ...")
        case "extra_forbidden":
            known = _known_keys(keys)
            nearest = nearest_name(str(keys[-1]), known)
            return UserError(where, f"unknown key {name!r}", expected=", ".join(known), nearest=nearest)
        case "value_error":
            return UserError(where, (f"{name}: " if name else "") + details["msg"].removeprefix("Value error, "))
    value, expected = details["input"], details["msg"].removeprefix("Input should be ").removeprefix("Input should ")
    if details["type"] in {"model_type", "dict_type", "tuple_type"}:
        expected = "a list" if details["type"] == "tuple_type" else "keys below it"
    elif details["type"] == "too_short":
        expected = "two classes or more"
    elif details["type"] == "string_pattern_mismatch":
        expected = "letters, digits, _ . + -, and a letter first"
    elif keys and keys[0] == "classes" and not isinstance(value, str):
        expected = 'key: prompt, both words (write `"no": ...` where YAML reads a word as a switch)'
    field = Definition.model_fields.get(str(keys[0])) if keys else None
    meaning = f"{expected} ({field.description})" if field and field.description else expected
    return UserError(where, f"{name} = {value!r} is not valid", expected=meaning)


def _known_keys(keys: Sequence[str | int]) -> list[str]:
    inner: dict[str, tuple[type[Section], ...]] = {
        "videos": (Table,),
        "events": (Table, Events),
        "features": (Features,),
        "row": (RowSpan,),
    }
    sections = inner.get(str(keys[0]), (Definition,)) if len(keys) > 1 else (Definition,)
    return list(dict.fromkeys(f.alias or name for s in sections for name, f in s.model_fields.items()))
