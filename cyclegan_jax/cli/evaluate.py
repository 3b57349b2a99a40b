"""`cyclegan-jax evaluate`: score the checkpoints of a run."""

from pathlib import Path

from cyclegan_jax.config_checks import Limits, require
from cyclegan_jax.console import shown_log


def evaluate(
    run: Path,
    steps: str | None = None,
    data_dir: str | None = None,
    images: int | None = None,
    segmenter: str | None = None,
    features: str | None = None,
    inception_weights: str | None = None,
    allow_code: bool = False,
) -> None:
    """Score a run on its test split, and compare each score with controls. Tables and pictures go to RUN/evaluation.

    Args:
        run: work directory of a run.
        steps: checkpoints and snapshots to evaluate: all, steps such as 1600,2400, or ends of epochs such as
            epoch:20,epoch:40; several are also drawn as curves; default: the newest checkpoint.
        data_dir: folder of the data set, if it has moved since the training.
        images: use at most this many test images of each domain; default: all.
        segmenter: segmentation model that scores labels -> photo: an ONNX file, or module:function.
        features: features that FID and KID compare: inception, module:function, or none for no FID and KID. Default:
            inception if its weights have been downloaded already.
        inception_weights: file with Inception's weights, instead of a download.
        allow_code: import the module that the run's data.source names, if it does. Allow it for runs that you trust.
    """
    # JAX reads its flags when it is imported; main.py sets them before it calls this function.
    from cyclegan_jax.evaluation.evaluate_run import evaluate_run
    from cyclegan_jax.evaluation.evaluator import Settings
    from cyclegan_jax.evaluation.report import report

    if images is not None:
        limits = Limits(2, 10**9)
        require(limits.hold(images), "--images", images, limits.need(images))
    settings = Settings(images, segmenter, features, inception_weights)
    with shown_log():
        results = evaluate_run(run, settings, steps=steps, data_dir=data_dir, allow_code=allow_code)
    print(report(results))
