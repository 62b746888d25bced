"""The demo from end to end: clips, features, a run, predictions of clips that it has not seen.

DIR/clips  DIR/bank  DIR/runs  DIR/predictions. Every step is the one that any user's video takes.
"""

from __future__ import annotations

from pathlib import Path

from mmvad.benchmarks.registry import DEMO_CLIPS
from mmvad.config.load import parse
from mmvad.config.schema import Config
from mmvad.demo.features import write_bank
from mmvad.demo.render import render
from mmvad.demo.script import Script, write_scripts
from mmvad.extraction.extractor import Extractor, small_extractor
from mmvad.predict.job import RESULT, OutputOptions, Predictor, prediction_line
from mmvad.predict.prediction import Prediction
from mmvad.predict.sources import request_video
from mmvad.predict.trained import load_run
from mmvad.runs import RunFolder, read_json
from mmvad.system.progress import track
from mmvad.training.train import train


def demo_config(bank: Path, results: Path, seed: int) -> Config:
    """The dual-stream network with the tiny text tower, for 16 clips of a quarter of a minute.

    Temporal unit and context prompt are off, since without them more is found. A reading of it, not isolated: through
    random features all snippets look alike, so that the similarity graph and the prompt tell every snippet what happens
    anywhere in its video, and 16 clips are learned by heart with that.
    """
    text = {"architecture": "tiny", "weights": "random"}
    model = {"text": text, "temporal": "none", "acp": "none", "prompt_half": 4, "dropout": 0.5}
    return parse(
        {
            "benchmark": DEMO_CLIPS.name,
            "seed": seed,
            "model": model,
            "data": {"bank": str(bank), "segment_length": 64, "batch_size": 8},
            "optim": {"learning_rate": 1e-3, "schedule": "cosine", "epochs": 150, "gradient_clip": 1.0},
            "runtime": {"results": str(results), "checkpoint_every": 1000, "wandb": "off", "threads": 1},
        }
    )


def tour(root: Path, seed: int) -> None:
    """Runs the demo in `root` and says what it does."""
    scripts = write_scripts(seed)
    unseen = [script for script in scripts if script.video.split == "test"]
    print(f"1. rendering {len(scripts)} clips with picture and sound: {root / 'clips'}", flush=True)
    clips = [render(script, root / "clips") for script in track(scripts, "rendering", len(scripts))]
    print("2. extracting with small networks whose weights are RANDOM: they have learned nothing", flush=True)
    extractor = small_extractor()
    write_bank(root / "bank", scripts, clips, extractor)
    print(f"3. training on {len(scripts) - len(unseen)} clips, of which only the class is known", flush=True)
    run = train(demo_config(root / "bank", root / "runs", seed))
    print(f"4. predicting the {len(unseen)} clips that it has not seen", flush=True)
    predict_unseen(run, root, unseen, extractor)


def predict_unseen(run: RunFolder, root: Path, unseen: list[Script], extractor: Extractor) -> None:
    """Predicts the held-out clips, each with its page, and prints what was found."""
    predictor = Predictor(load_run(run.path), OutputOptions(root / "predictions", html=True))
    for script in unseen:
        clip = root / "clips" / f"{script.video.name}.mp4"
        prediction = predictor.predict(request_video(clip, extractor))
        print(f"{prediction_line(prediction)}\n  {_truth(prediction)}", flush=True)
    scores = read_json(run.report)["scores"]
    figures = "  ".join(f"{name} {figure['ap']:.3f}" for name, figure in scores.items())
    print(f"\naverage precision on the held-out clips: {figures}")
    print(f"run    {run.path}")
    print(f"page   {root / 'predictions' / unseen[0].video.name / 'page.html'}   (and one beside each {RESULT})")


def _truth(prediction: Prediction) -> str:
    events = [f"{prediction.class_name(e.label)} from {e.start:.1f} to {e.end:.1f} s" for e in prediction.truth or ()]
    return f"truth: {', '.join(events) or 'nothing happens'}"
