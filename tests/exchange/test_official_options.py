"""The options of the official code's train_opt.txt as fields of a config."""

from pathlib import Path

import pytest

from cyclegan_jax.config import OptimizerConfig, TrainConfig
from cyclegan_jax.exchange.official_options import OfficialOptions


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"lr_policy": "linear", "lr_decay_iters": "30"}, OptimizerConfig(constant_epochs=3, decay_epochs=4)),
        (
            {"lr_policy": "step", "lr_decay_iters": "30"},
            OptimizerConfig(schedule="step", step_epochs=30, constant_epochs=3, decay_epochs=4),
        ),
        # The rate falls over n_epochs there.
        ({"lr_policy": "cosine"}, OptimizerConfig(schedule="cosine", constant_epochs=0, decay_epochs=3)),
        ({"lr_policy": "plateau"}, OptimizerConfig(constant_epochs=3, decay_epochs=4)),
    ],
)
def test_learning_rate_policies(values: dict[str, str], expected: OptimizerConfig, log_lines: list[str]) -> None:
    options = OfficialOptions(Path("train_opt.txt"), {"n_epochs": "3", "n_epochs_decay": "4", **values})
    assert options.apply(TrainConfig()).optimizer == expected
    # It follows no score there: what it did cannot be continued.
    warned = ["train_opt.txt: lr_policy was plateau; here a training goes on with linear"]
    assert log_lines == (warned if values["lr_policy"] == "plateau" else [])
