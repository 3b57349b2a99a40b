"""The paper's photo -> labels scores of a run (paper, section 5.1.1), on the test split of its data."""

import dataclasses
from pathlib import Path

import numpy as np

from cyclegan_jax import checkpoints
from cyclegan_jax.config import DataConfig, Direction, Domain
from cyclegan_jax.data import palette, sources, whole_images
from cyclegan_jax.data.images import AnyImage
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation import segmentation
from cyclegan_jax.inference import load_generator

BATCH = 16
"""Images translated at once; large batches gain nothing at these sizes."""


def evaluate_run(run: str | Path, *, step: int | None = None, data_dir: str | None = None) -> segmentation.Evaluation:
    """Translate the test photos of a run's data to labels and score them against the paired label maps.

    Args:
        run: the work directory of the run.
        step: which checkpoint; None is the newest.
        data_dir: where the data is; None is where the run was trained.

    Raises:
        UserError: the run has no label domain, no checkpoint, or its data is not there or not paired.
    """
    config, step = checkpoints.load_config(run, step)
    data_config = config.data if data_dir is None else dataclasses.replace(config.data, dir=data_dir)
    if data_config.labels is None:
        raise UserError(
            f"{run} was trained without a label domain, so there is nothing to score its images against: train with "
            "--data.labels=A (or B) where that domain holds label maps"
        )
    labels: Domain = data_config.labels
    photos: Domain = "B" if labels == "A" else "A"
    direction: Direction = "BtoA" if labels == "A" else "AtoB"

    data = sources.open_sources(data_config)
    pairs = sources.paired(data.test_A, data.test_B)
    test_images = {
        "A": _images(data.test_A, [place for place, _ in pairs], data_config, "A"),
        "B": _images(data.test_B, [place for _, place in pairs], data_config, "B"),
    }
    train_labels = data.train_A if labels == "A" else data.train_B
    generator = load_generator(run, direction, step)
    predicted = [
        generator.translate_uint8(test_images[photos][start : start + BATCH]) for start in range(0, len(pairs), BATCH)
    ]
    return segmentation.evaluate_photo_to_labels(
        np.concatenate(predicted),
        test_images[labels],
        (whole_images.test_image(train_labels[index], data_config, labels) for index in range(len(train_labels))),
        palette.COLORS,
        palette.NAMES,
    )


def _images(source: sources.Source, places: list[int], config: DataConfig, domain: Domain) -> AnyImage:
    images = [whole_images.test_image(source[place], config, domain) for place in places]
    sizes = sorted({image.shape[:2] for image in images})
    if len(sizes) > 1:
        raise UserError(
            f"the test images of domain {domain} have {len(sizes)} sizes, from {sizes[0][1]}x{sizes[0][0]} to "
            f"{sizes[-1][1]}x{sizes[-1][0]} pixels, but the scores need one, for the constant map: evaluate a run with "
            "data.preprocess=resize_and_crop, or make the test images of one size"
        )
    return np.stack(images)
