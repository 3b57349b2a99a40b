"""A run with a gradient penalty and augmentation: its log, and that it resumes to the same bits."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
from PIL import Image

from cyclegan_jax.config import GeneratorConfig, LossConfig
from cyclegan_jax.training import loop
from tests.conftest import tiny_config


def test_a_run_with_penalties_resumes_and_logs_the_newest(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split in ("trainA", "trainB", "testA", "testB"):
        (tmp_path / "photos" / split).mkdir(parents=True)
        for index in range(3):
            pixels = rng.integers(0, 256, (30, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / split / f"{index}.png")
    base = tiny_config()
    config = dataclasses.replace(
        base,
        data=dataclasses.replace(base.data, dir=str(tmp_path / "photos")),
        generator=GeneratorConfig(blocks=0, width=4),
        discriminator=dataclasses.replace(base.discriminator, n_layers=1, augment="color,translation,cutout"),
        loss=LossConfig(gan="wgangp", gradient_penalty_every=2),
        steps=3,
        log_every=1,
        sample_minutes=0.0,
    )
    straight = loop.train(config, tmp_path / "straight")
    loop.train(dataclasses.replace(config, steps=2), tmp_path / "resumed")
    resumed = loop.train(config, tmp_path / "resumed")
    for one, other in zip(jax.tree.leaves(straight), jax.tree.leaves(resumed), strict=True):
        np.testing.assert_array_equal(one, other)

    rows = [json.loads(line) for line in (tmp_path / "straight" / "metrics.jsonl").read_text().splitlines()]
    for domain in "AB":
        first, second, third = (row[f"loss/gradient_penalty_{domain}"] for row in rows)
        # The second step computes none.
        assert first == second != third
        assert first > 0
    # The total has the weighted penalties of both domains on the steps that compute them.
    for row in rows:
        adversarial, penalties = (
            sum(row[f"loss/{name}_{domain}"] for domain in "AB") for name in ("discriminator", "gradient_penalty")
        )
        expected = adversarial + (2 * 10 * penalties if row["step"] != 2 else 0)
        np.testing.assert_allclose(row["loss/discriminators"], expected, rtol=1e-5)
