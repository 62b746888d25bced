"""`mmvad export RUN`: a run's network as ONNX, which `mmvad predict --model` scores videos with."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_export_parser(verbs: argparse._SubParsersAction) -> None:
    parser = verbs.add_parser(
        "export",
        help="a trained run as an ONNX model that needs no torch",
        description="Writes a folder with model.onnx, model.json (classes, rows, towers, thresholds, hashes) and the "
        "run's card.md. `mmvad predict --model DIR --features NPY...` scores with it; onnxruntime is all it needs.",
        allow_abbrev=False,
    )
    parser.add_argument("checkpoint", type=Path, metavar="RUN", help="a run folder, or a checkpoint file in one")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the model's folder")
    parser.set_defaults(run=run_export, takes_overrides=True)


def run_export(options: argparse.Namespace) -> int:
    from mmvad.runs import run_config, run_folder_of

    path = options.checkpoint
    run_config(run_folder_of(path), options.overrides)  # before torch

    from mmvad.predict.export import export_run

    model = export_run(path, options.out, tuple(options.overrides))
    size = (options.out / model.network.file).stat().st_size / 2**20
    texts = "" if model.texts is None else ", text tower inside" if model.texts.inside else ", texts as vectors"
    print(f"{options.out / model.network.file}: {size:.1f} MB, opset {model.network.opset}{texts}")
    print(f"  inputs   {_shapes(model.network.inputs)}")
    print(f"  outputs  {_shapes(model.network.outputs)}")
    rows = ", ".join(map(str, model.checked.lengths))
    print(f"  checked  {model.checked.largest_difference:.1g} from torch's scores at most, on {rows} rows")
    sound = " --audio FILE.npy" if "audio" in model.network.inputs else ""
    print(f"  mmvad predict --model {options.out} --features FILE.npy{sound}")
    return 0


def _shapes(named: dict[str, tuple[int | str, ...]]) -> str:
    return ", ".join(f"{name} [{', '.join(map(str, shape))}]" for name, shape in named.items())
