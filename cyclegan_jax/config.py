"""The config of an experiment: frozen dataclasses that check their values on construction.

A config file's `get_config()` returns a `TrainConfig`. Every checkpoint stores it, so a trained model loads without any
architecture flags. The field docstrings are the text of `train.py --help`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from cyclegan_jax.config_checks import check_limits, check_types, check_wandb_project
from cyclegan_jax.config_limits import LIMITS
from cyclegan_jax.data_config import DataConfig as DataConfig
from cyclegan_jax.data_config import Domain as Domain
from cyclegan_jax.epochs import Steps, check_steps
from cyclegan_jax.errors import UserError
from cyclegan_jax.loss_config import LossConfig as LossConfig
from cyclegan_jax.network_config import DiscriminatorConfig as DiscriminatorConfig
from cyclegan_jax.network_config import GeneratorConfig as GeneratorConfig
from cyclegan_jax.optimizer_config import OptimizerConfig as OptimizerConfig

Direction = Literal["AtoB", "BtoA"]

Initializer = Literal["normal", "xavier", "kaiming", "orthogonal"]

OTHER_DOMAIN: Final[Mapping[Domain, Domain]] = {"A": "B", "B": "A"}
DOMAINS: Final[Mapping[Direction, tuple[Domain, Domain]]] = {"AtoB": ("A", "B"), "BtoA": ("B", "A")}
"""The domain that a generator of a direction takes images of, and that of the images it makes."""
OPPOSITE: Final[Mapping[Direction, Direction]] = {"AtoB": "BtoA", "BtoA": "AtoB"}


@dataclass(frozen=True)
class TrainConfig:
    """An experiment: everything that training needs to know."""

    data: DataConfig = field(default_factory=DataConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    batch_size: int = 1
    """Image pairs per step, over all devices together; with `accumulate`, per part of a step."""
    accumulate: int = 1
    """Parts per step: the gradients of so many batches of `batch_size` are averaged before one update, as of one batch
    of batch_size * accumulate pairs, in the memory of one part. Only batch norm still sees each part by itself."""
    steps: Steps | None = None
    """Stop after this step; default: the end of the learning-rate schedule. The schedule does not depend on it. Here
    and in the fields for logs, samples, checkpoints, evaluations and snapshots, epochs are written as 200epochs."""
    seed: int = 0
    """Seed of the initial weights, the data order, the augmentation, dropout and the image pools."""
    update_first: Literal["generators", "discriminators"] = "generators"
    """`generators`: update G, then D, as in the official code; `discriminators`: update D, then G against the new D."""
    pool_size: int = 50
    """Earlier generated images kept to show each discriminator (paper, section 4); 0 is off."""
    ema_decay: float = 0.0
    """Decay per step of an exponential moving average of the generators' weights, such as 0.999; 0 is off."""
    dtype: Literal["float32", "bfloat16", "float64"] = "float32"
    """Data type of the networks' arithmetic; parameters, losses and norm statistics are at least float32."""
    precision: Literal["default", "high", "highest"] = "default"
    """Precision of float32 matrix products on hardware with a choice (TF32 on recent GPUs, bfloat16 on TPUs)."""
    remat: bool = False
    """Recompute the generators' activations for the gradients instead of keeping them: less memory, more time."""
    steps_per_dispatch: int = 1
    """Steps per call of the compiled program, for fast accelerators that would wait for the host between small steps;
    much slower on CPU."""
    parallel: Literal["jit", "pmap"] = "jit"
    """How a step runs on several devices: `jit`, one program over a mesh of them, or `pmap`, one program per device."""
    log_every: Steps = 100
    """Steps between progress lines and logged losses."""
    sample_every: Steps = 1000
    """Steps between grids of sample images."""
    sample_minutes: float = 0.5
    """Draw a grid before the first step, another after this many minutes of training, and more at twice the time each,
    until those of `sample_every` come sooner. 0 is off."""
    checkpoint_every: Steps = 1000
    """Steps between checkpoints."""
    checkpoint_minutes: float = 10.0
    """Save at least this often, in minutes, even if `checkpoint_every` steps take longer; such an extra checkpoint is
    deleted when the next one is on disk. 0 is off."""
    keep_checkpoints: int = 3
    """Number of the newest checkpoints to keep, besides the best by each score."""
    snapshot_every: Steps = 0
    """Steps between snapshots: the generators alone, in `snapshots/` of the run, where they are never deleted. 0 is
    off."""
    eval_every: Steps = 0
    """Steps between evaluations on the test images, like those of `cyclegan-jax evaluate`; each saves a checkpoint, and
    the best by each score is kept. 0 is off."""
    stop_after: int = 0
    """Stop after this many evaluations in a row without a better score; 0 is off. It needs `eval_every`, and label maps
    or `eval_features`: the score is the one that `--step best` chooses by."""
    eval_images: int | None = None
    """Largest number of test images per domain in these evaluations; default: all."""
    eval_features: str | None = None
    """Add FID and KID to these evaluations, with these features: `inception`, a file of its weights (.pth), or your own
    function as module:function, from uint8 images (N, H, W, 3) to (N, D)."""
    wandb: str | None = None
    """Log to Weights & Biases too, as this project, such as `cyclegan` or `team/cyclegan`."""
    init_from: str | None = None
    """Work directory of a run whose weights a new run in another work directory starts from (fine-tuning)."""
    init_step: int | str | None = None
    """The checkpoint or snapshot of `init_from` to start from: a step, epoch:120 or best; default: the newest
    checkpoint."""
    init: Initializer = "normal"
    """The distribution of the initial weights, as the official code's `--init_type`; biases are 0. `normal` is the
    paper's."""
    init_gain: float = 0.02
    """The standard deviation of `normal`, and of the scales of batch norms, whose mean is 1; a factor for `xavier` and
    `orthogonal`; without effect on the kernels of `kaiming`."""

    def __post_init__(self) -> None:
        """Check every field, and the fields that depend on each other."""
        for name in ("log_every", "sample_every", "checkpoint_every", "snapshot_every", "eval_every"):
            check_steps(name, getattr(self, name), LIMITS[name])
        if self.steps is not None:
            check_steps("steps", self.steps, LIMITS["steps"])
        check_types(self, "")
        check_limits(self, "", LIMITS)
        check_wandb_project(self.wandb)
        if self.loss.identity_weight > 0 and self.data.channels_A != self.data.channels_B:
            raise UserError(
                f"loss.identity_weight is {self.loss.identity_weight}, but the identity loss needs domains with equal "
                f"channels and data.channels_A is {self.data.channels_A}, data.channels_B {self.data.channels_B}: "
                "set loss.identity_weight to 0, or the channels to the same number"
            )
        if self.stop_after and self.eval_every == 0:
            raise UserError(
                f"stop_after is {self.stop_after} evaluations, but eval_every is 0 and there are none: set eval_every, "
                "such as 1epoch, or stop_after to 0"
            )
        if self.init_step is not None and self.init_from is None:
            raise UserError(
                f"init_step is {self.init_step!r}, but init_from is None: give the run to start from, or leave "
                "init_step out"
            )
        if self.loss.penalty != "none" and self.discriminator.norm == "batch":
            raise UserError(
                f"the gradient penalty {self.loss.penalty} is defined for each image by itself, but with "
                "discriminator.norm 'batch' a score depends on the whole batch: choose discriminator.norm instance, "
                "instance_affine or none, or loss.gradient_penalty none"
            )
        if self.optimizer.schedule == "plateau" and self.eval_every == 0:
            raise UserError(
                "optimizer.schedule is 'plateau', but eval_every is 0, so that there are no scores to follow: set "
                "eval_every to the number of steps between evaluations, or choose another schedule"
            )

    @property
    def pairs_per_step(self) -> int:
        """Image pairs per step, over all devices and parts."""
        return self.batch_size * self.accumulate
