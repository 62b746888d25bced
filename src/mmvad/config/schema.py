"""The whole configuration of a run: one tree, typed and bounded. No torch here, so that `mmvad --help` is quick.

Field descriptions are what `mmvad train --help` prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from mmvad.benchmarks.registry import own_benchmark, remember
from mmvad.config.files import named_benchmark
from mmvad.config.optim import Optim
from mmvad.models.losses.settings import Loss
from mmvad.models.method import Method
from mmvad.models.outside import method_named
from mmvad.models.peers.registry import PEERS, Peers
from mmvad.models.registry import FUSIONS
from mmvad.sections import Count, FilePath, NoSwitch, Positive, Section, Share


class Text(Section):
    architecture: str = "ViT-B-16-quickgelu"
    """the text tower of an open_clip model, of the one whose features the bank has; `tiny` has 2 layers of width 64"""
    weights: str = "openai"
    """a published name such as `openai` (needs a network or a cache), the path of a local checkpoint, or `random`"""


class Model(Section):
    name: Literal["dual_stream", *PEERS] = "dual_stream"  # type: ignore[valid-type]
    """ours, a peer (reads `peers.NAME.*`) or MODULE:CLASS (`method.*`); both read of `model.*` only the text tower"""
    text: Text = Text()
    width: Annotated[int, Field(ge=0)] = 0
    """of the network, to which a linear layer brings the picture's features; 0: as its texts, without T as they are"""
    temporal: Literal["local_gcn", "local", "global", "gcn", "conv", "none"] = "local_gcn"
    """temporal unit on the visual path (eq. 1); `conv`: a convolution over three segments, added to the picture"""
    layers: Count = 1
    """attention layers of the temporal unit"""
    heads: Count = 1
    """attention heads of the temporal unit"""
    window: Count = 8
    """attention window of `local` and `local_gcn`, in segments"""
    fusion: Literal[*FUSIONS, "none"] = "gated"  # type: ignore[valid-type]
    """cross-modal fusion (eq. 2)"""
    acp: Literal["pre_post", "pre", "post", "none"] = "pre_post"
    """abnormal-aware context prompt, before and behind the text encoder (eq. 6)"""
    weighting: Literal["score", "logit", "softmax"] = "score"
    """how the coarse scores weigh the visual vector of the context prompt (eq. 7)"""
    prompt_half: Annotated[int, Field(ge=1, le=32)] = 10
    """learned prompt vectors on either side of the class name, M/2 (eq. 5)"""
    temperature: Positive = 0.07
    """tau of the registration map (eq. 8)"""
    dropout: Share = 0.5
    """dropout on the visual input, on encoded audio, in the graphs, on the context vector, before the classifier"""


class Data(Section):
    bank: FilePath = Path("banks/planted")
    """the feature bank (`mmvad data import` makes it)"""
    segment_length: Count = 256
    """L, segments fed to the network"""
    segments: Literal["fold", "bins", "pick", "interpolate"] = "fold"
    """how a video gets to L segments: stretch means, short ones padded; stretch means, short ones repeated; nearest
    rows, short ones padded; linear interpolation, short ones stretched"""
    test_span: Literal["chunks", "whole", "segments"] = "chunks"
    """a test video in chunks of L, whole at once, or as L segments like a training video"""
    crops: Literal["rows", "together"] = "rows"
    """every crop of a training video is a sample of its own, or all crops of a video make one"""
    batch_size: Annotated[int, Field(ge=2)] = 128
    """samples of a step: crops, or videos where `data.crops` is together"""
    balanced: bool = False
    """batches half abnormal, half normal"""
    audio: Literal["required", "optional", "none"] = "required"
    """a video without sound is an error, has its gate closed, or no sound is read at all"""
    chunk_overlap: Annotated[int, Field(ge=0)] = 0
    """snippets that neighbouring chunks of a long video share at test, averaged there; 0 is the published protocol"""
    look_ahead: Annotated[int, Field(ge=-1), NoSwitch] = -1
    """snippets after its own that a test score may see, as online: 0 for none; -1: no limit (docs/DEPLOY.md)"""
    fold: Annotated[str, BeforeValidator(str)] = ""
    """which split of a benchmark that has several; its bank is the folder of that name in `data.bank`"""
    test_crop: Annotated[int, Field(ge=0)] = 0
    """the crop that is tested"""
    validation_share: Share = 0.0
    """share of the training videos held out, by video, stratified"""


class Quirks(Section):
    """What published code does and the papers do not say; every table marks a row that used one."""

    all_crops: bool = False
    """the score of a test video is the mean over all its crops"""
    smoothing: Literal["none", "next_7", "blocks_8"] = "none"
    """test scores as means of each snippet and the six after it, or of blocks of eight"""
    trapezoid_ap: bool = False
    """AP as the area under straight lines between the points of the precision-recall curve"""
    reload_best: bool = False
    """every epoch goes on from the weights that were best on the test set so far; needs select=best_test"""


def _switch_is_a_word(value: object) -> object:
    """YAML reads a bare `off` as false and `on` as true."""
    return {False: "off", True: "on"}.get(value, value) if isinstance(value, bool) else value


class Runtime(Section):
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """where to train; auto takes CUDA where there is one"""
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    """auto: bf16-mixed on CUDA that has it, 16-mixed on older CUDA, 32-true on the CPU"""
    threads: Annotated[int, Field(ge=0)] = 0
    """CPU threads of torch; 0 leaves its own choice"""
    resident: Literal["auto", "gpu", "ram", "disk"] = "auto"
    """where the bank lies while training; auto: on the GPU or in RAM where it fits, else memory-mapped"""
    compile: Annotated[Literal["auto", "on", "off"], BeforeValidator(_switch_is_a_word)] = "auto"
    """training steps as CUDA graphs, where shapes are fixed; auto: in runs of 2000 steps and more, which it pays for"""
    results: FilePath = Path("runs")
    """folder of the run folders"""
    figures: bool = True
    """draw score curves, the precision-recall and the ROC curve"""
    audit: bool = False
    """keep the test set's scores of every epoch in audit/, from which `mmvad audit` says what each habit is worth"""
    checkpoint_every: Count = 1
    """epochs between checkpoints from which a killed run goes on"""
    wandb: Annotated[Literal["auto", "off", "online", "offline"], BeforeValidator(_switch_is_a_word)] = "auto"
    """W&B logging; auto is off, and on under a W&B agent"""
    loggers: tuple[Literal["csv", "tensorboard", "wandb"], ...] = ()
    """where figures of every epoch go besides `epochs.csv`: any of csv, tensorboard, wandb (as `wandb` online)"""


CHOSEN: Mapping[str, str] = MappingProxyType(
    {
        "best_test": "the checkpoint was chosen on the TEST set (select=best_test)",
        "best_val": "the checkpoint was chosen on held-out training videos (select=best_val)",
    }
)
"""What has to be said of a run's figures, by its `select`; of the last checkpoint nothing."""


class Config(Section):
    benchmark: Annotated[str, BeforeValidator(named_benchmark)] = "planted"
    """what is trained and tested on: planted, ucf_crime, xd_violence, or the path of a benchmark's own file"""
    seed: Annotated[int, Field(ge=0, lt=2**32), NoSwitch] = 0
    """of every source of chance in training"""
    modalities: Literal["v", "va", "vt", "vat"] = "vat"
    """V picture, A sound, T text (without T no fine stream)"""
    model: Model = Model()
    peers: Peers = Peers()  # type: ignore[valid-type]
    loss: Loss = Loss()
    data: Data = Data()
    optim: Optim = Optim()
    select: Literal["last", "best_val", "best_test"] = "last"
    """which checkpoint is reported; best_test chooses on the test set and is labelled so"""
    quirks: Quirks = Quirks()
    published_weights: str = ""
    """of a run whose weights are public ones, their content; `mmvad import-weights` sets it, and nothing is trained"""
    runtime: Runtime = Runtime()

    @model_validator(mode="after")
    def fits_together(self) -> Config:
        """Refuses combinations that have no meaning, each with the key that mends it."""
        if self.select == "best_val" and not self.data.validation_share:
            raise ValueError("select: best_val needs a validation set; set data.validation_share above 0")
        if self.uses_audio and self.data.audio == "none":
            raise ValueError(
                f"modalities: {self.modalities!r} reads sound, but data.audio is 'none'; set modalities to v or vt"
            )
        method = method_named(self.model.name)
        self._reaches(method)
        fine = self.uses_text and self.loss.fine
        if method:
            self._fits(method)
        elif not self.loss.coarse and not fine:
            raise ValueError("loss: neither the coarse nor the fine loss is on; nothing would be learned")
        else:
            self.loss.check_weights(self.modalities)
        if self.quirks.reload_best and self.select != "best_test":
            raise ValueError("quirks.reload_best: the best weights are those on the test set; set select to best_test")
        if self.data.chunk_overlap >= self.data.segment_length:
            raise ValueError(
                f"data.chunk_overlap: {self.data.chunk_overlap} leaves chunks of data.segment_length "
                f"{self.data.segment_length} nothing new; set it lower, about a quarter of the length"
            )
        if self.data.look_ahead >= 0 and self.quirks.smoothing != "none":
            raise ValueError(
                f"quirks.smoothing: {self.quirks.smoothing!r} looks at snippets after the one that is scored, which "
                "data.look_ahead limits; set quirks.smoothing to none, or data.look_ahead to -1"
            )
        if "wandb" in self.runtime.loggers and self.runtime.wandb == "off":
            raise ValueError("runtime.loggers: names wandb, but runtime.wandb is 'off'; set runtime.wandb to online")
        if self.data.balanced and self.data.batch_size % 2:
            raise ValueError(f"data.batch_size: {self.data.batch_size} is odd; data.balanced needs an even one")
        return self

    def _reaches(self, method: Method | None) -> None:
        """Refuses whole test videos for networks whose learned positions end at L."""
        ends = method.positions_end_at_length if method else self.model.temporal not in {"conv", "none"}
        if self.data.test_span == "whole" and ends:
            raise ValueError(
                "data.test_span: 'whole', but the positions that the temporal unit learns end at data.segment_length; "
                "set data.test_span to chunks or segments"
            )

    def _fits(self, method: Method) -> None:
        if self.modalities not in method.modalities:
            raise ValueError(
                f"modalities: {method.title} cannot be run with {self.modalities!r}; "
                f"set modalities to {' or '.join(method.modalities)}"
            )
        if method.pairs and not self.data.balanced:
            raise ValueError(f"data.balanced: {method.title} learns from pairs of bags; set data.balanced to on")

    def __getstate__(self) -> dict[Any, Any]:
        """With what a user's benchmark is: the process that this goes to has not read its file."""
        own = own_benchmark(self.benchmark)
        return {**super().__getstate__(), "benchmark": own.facts if own else None}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        facts = state.pop("benchmark", None)
        if facts:
            remember(facts, Path("configuration"), over=True)
        super().__setstate__(state)

    @property
    def uses_audio(self) -> bool:
        return "a" in self.modalities

    @property
    def uses_text(self) -> bool:
        return "t" in self.modalities
