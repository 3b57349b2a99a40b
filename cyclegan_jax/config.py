"""The frozen dataclasses that every experiment is made of, checked when they are built.

A config file's `get_config()` returns a `TrainConfig`; the same value travels inside every checkpoint, so that nobody
retypes an architecture to load a model. The field docstrings below are the text of `train.py --help`.
"""

import dataclasses
import math
import typing
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from cyclegan_jax.config_checks import check_types, require
from cyclegan_jax.errors import UserError

Domain = Literal["A", "B"]
Direction = Literal["AtoB", "BtoA"]

# The official recipe loads at 286 and crops 256; other sizes keep that proportion (143 for 128, as in the paper).
LOAD_RATIO = 286 / 256


@dataclass(frozen=True)
class DataConfig:
    """Where the two image sets come from and how an image becomes a training example."""

    source: Literal["streets", "folder", "cityscapes", "tfds"] = "folder"
    """`streets`: the scenes that the package draws itself; `folder`: your own images, in `data.dir`; `cityscapes`: the
    official archives, in `data.dir`; `tfds`: a data set by its name."""
    dir: str | None = None
    """For `folder`: the folder that holds trainA, trainB, testA and testB, or train/A, train/B, test/A and test/B. For
    `cityscapes`: where the archives are. For the others: where to keep the data (default: the TFDS directory)."""
    train_A: str | None = None
    """For `folder`: any folder with training images of domain A, in place of the one in `data.dir`."""
    train_B: str | None = None
    """For `folder`: any folder with training images of domain B."""
    test_A: str | None = None
    """For `folder`: any folder with test images of domain A."""
    test_B: str | None = None
    """For `folder`: any folder with test images of domain B."""
    name: str | None = None
    """For `tfds`: one of the paper's sets, such as horse2zebra."""
    name_A: str | None = None
    """For `tfds`, in place of `data.name`: the labelled image set that is domain A, such as cifar10:cat for a class."""
    name_B: str | None = None
    """For `tfds`, in place of `data.name`: the same for domain B."""
    preprocess: Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"] = "resize_and_crop"
    """How a training image gets its size. `resize_and_crop`: resized to a square of `data.load_size`, then cropped;
    `crop`: cropped as it is; `scale_width_and_crop`: its width scaled to `data.load_size`, then cropped; `scale_width`:
    its width scaled to `data.load_size` (default: `data.image_size`); `none`: as it is. The last two round the sides to
    what the networks take, and need images of one size."""
    image_size: int = 256
    """Height and width in pixels of the square crop that the networks are trained on, and of test images where training
    images are resized to a square."""
    load_size: int | None = None
    """Training images are resized to this before the random crop; default: image_size * 286 / 256."""
    flip: bool = True
    """Mirror half of the training images left to right."""
    labels: Domain | None = None
    """Which domain is a label map, if any: it is resized by nearest neighbour and scored by palette colour."""
    channels_A: Literal[1, 3, 4] = 3
    """Channels of domain A: 1 (gray), 3 (RGB) or 4 (RGBA)."""
    channels_B: Literal[1, 3, 4] = 3
    """Channels of domain B."""
    range_A: tuple[float, float] | None = None
    """The lowest and the highest value of domain A, such as 0 4095, where its files hold more than 8 bits (16-bit and
    float images, .npy arrays): they are scaled to [-1, 1] by it, and nothing is clipped. None: 8-bit images."""
    range_B: tuple[float, float] | None = None
    """The same for domain B."""
    on_error: Literal["stop", "skip"] = "stop"
    """What an unreadable training image does: `stop` training, or `skip` it for the next one, and be counted."""
    cache_gib: float = 0.0
    """Memory in GiB for decoded training images, which then need no decoding from the second epoch on; 0 is off."""
    threads: int = 2
    """Threads that read and decode images; any number gives the same order."""

    def __post_init__(self) -> None:
        """Check each field alone and the sizes together."""
        check_types(self, "data")
        require(self.image_size >= 8, "data.image_size", self.image_size, "at least 8")
        require(self.threads >= 1, "data.threads", self.threads, "at least 1")
        if self.load_size is not None:
            need = f"at least data.image_size ({self.image_size}), since crops are taken from it"
            require(self.load_size >= self.image_size, "data.load_size", self.load_size, need)
        if self.labels is not None and self.channels(self.labels) != 3:
            raise UserError(
                f"data.labels is {self.labels!r}, but label maps are in palette colours, and "
                f"data.channels_{self.labels} is {self.channels(self.labels)}: set it to 3, or data.labels to None"
            )
        for domain in typing.get_args(Domain):
            self._check_range(domain)
        require(self.cache_gib >= 0, "data.cache_gib", self.cache_gib, "0 or more")

    def _check_range(self, domain: Domain) -> None:
        limits = self.value_range(domain)
        if limits is None:
            return
        require(-math.inf < limits[0] < limits[1] < math.inf, f"data.range_{domain}", limits, "the lower value first")
        if self.labels == domain:
            raise UserError(
                f"data.range_{domain} is {limits}, but data.labels says that {domain} is a label map, in 8-bit palette "
                f"colours: set one of them to None"
            )

    @property
    def resolved_load_size(self) -> int:
        """`load_size`, or where it is not given the official proportion of `image_size`."""
        if self.load_size is not None:
            return self.load_size
        return self.image_size if self.preprocess == "scale_width" else round(self.image_size * LOAD_RATIO)

    @property
    def crops(self) -> bool:
        """Whether training images are crops of `image_size`; otherwise the data give them their size."""
        return self.preprocess not in ("scale_width", "none")

    def channels(self, domain: Domain) -> int:
        """Channels of one domain."""
        return self.channels_A if domain == "A" else self.channels_B

    def value_range(self, domain: Domain) -> tuple[float, float] | None:
        """The stated lowest and highest value of one domain, or None for 8-bit images."""
        return self.range_A if domain == "A" else self.range_B


@dataclass(frozen=True)
class GeneratorConfig:
    """The ResNet generator (paper, appendix 7.2)."""

    blocks: int = 9
    """Residual blocks: the paper takes 6 at 128 pixels and 9 at 256 and more."""
    width: int = 64
    """Channels after the first convolution; they double twice on the way down."""
    upsample: Literal["resize", "transposed"] = "transposed"
    """`transposed`: stride-2 transposed convolutions (official); `resize`: nearest upsampling, then a convolution."""
    dropout: float = 0.0
    """Dropout rate inside the residual blocks during training (the official option uses 0.5); 0 is off."""

    def __post_init__(self) -> None:
        """Check each field."""
        check_types(self, "generator")
        require(self.blocks >= 0, "generator.blocks", self.blocks, "0 or more")
        require(self.width >= 1, "generator.width", self.width, "at least 1")
        require(0 <= self.dropout < 1, "generator.dropout", self.dropout, "at least 0 and below 1")


@dataclass(frozen=True)
class DiscriminatorConfig:
    """The PatchGAN discriminators."""

    kind: Literal["n_layers", "pytorch_gan"] = "n_layers"
    """`n_layers`: the official PatchGAN, 70x70 with 3 layers; `pytorch_gan`: four stride-2 blocks and an asymmetric
    zero pad, H/16 x W/16 patches of 94x94."""
    n_layers: int = 3
    """Stride-2 convolutions of the `n_layers` kind; 3 gives patches of 70x70 pixels."""
    width: int = 64
    """Channels after the first convolution."""

    def __post_init__(self) -> None:
        """Check each field."""
        check_types(self, "discriminator")
        require(1 <= self.n_layers <= 8, "discriminator.n_layers", self.n_layers, "from 1 to 8")
        require(self.width >= 1, "discriminator.width", self.width, "at least 1")


@dataclass(frozen=True)
class LossConfig:
    """The weights and forms of the objective (paper, section 3)."""

    cycle_weight_A: float = 10.0
    """Weight of the cycle A -> B -> A against the adversarial term."""
    cycle_weight_B: float = 10.0
    """Weight of the cycle B -> A -> B against the adversarial term."""
    identity_weight: float = 0.0
    """Weight of the identity term relative to the cycle weight of the same images: 0.5 with 10 weighs 5; 0 is off."""
    identity: Literal["target", "input"] = "target"
    """`target`: a generator should keep an image of its target domain (paper, section 5.2); `input`: its output should
    stay near its input, ||G(x) - x||."""
    domains: Literal["sum", "mean"] = "sum"
    """Whether the two domains' terms are added (official) or averaged (PyTorch-GAN)."""

    def __post_init__(self) -> None:
        """Check each field."""
        check_types(self, "loss")
        for name in ("cycle_weight_A", "cycle_weight_B", "identity_weight"):
            require(getattr(self, name) >= 0, f"loss.{name}", getattr(self, name), "0 or more")


@dataclass(frozen=True)
class OptimizerConfig:
    """Adam and the learning-rate schedule, in epochs of the larger domain."""

    learning_rate: float = 2e-4
    """Learning rate of the constant phase."""
    beta1: float = 0.5
    """Adam's decay of the first moment."""
    beta2: float = 0.999
    """Adam's decay of the second moment."""
    eps: float = 1e-8
    """Adam's epsilon, added outside the root as in PyTorch."""
    constant_epochs: int = 100
    """Epochs at the full learning rate."""
    decay_epochs: int = 100
    """Epochs of linear decay after that."""
    schedule: Literal["official", "pytorch_gan"] = "official"
    """How the decay counts, for the epoch e from 0: `official` 1 - max(0, e + 1 - constant) / (decay + 1);
    `pytorch_gan` 1 - max(0, e - constant) / decay."""

    def __post_init__(self) -> None:
        """Check each field."""
        check_types(self, "optimizer")
        require(self.learning_rate >= 0, "optimizer.learning_rate", self.learning_rate, "0 or more")
        for name in ("beta1", "beta2"):
            require(0 <= getattr(self, name) < 1, f"optimizer.{name}", getattr(self, name), "at least 0 and below 1")
        require(self.eps > 0, "optimizer.eps", self.eps, "above 0")
        require(self.constant_epochs >= 0, "optimizer.constant_epochs", self.constant_epochs, "0 or more")
        require(self.decay_epochs >= 0, "optimizer.decay_epochs", self.decay_epochs, "0 or more")
        epochs = self.constant_epochs + self.decay_epochs
        require(epochs >= 1, "optimizer.constant_epochs + optimizer.decay_epochs", epochs, "at least 1")


@dataclass(frozen=True)
class TrainConfig:
    """One experiment."""

    data: DataConfig = field(default_factory=DataConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    batch_size: int = 1
    """Image pairs a step, over all devices together."""
    steps: int | None = None
    """Where to stop; default: the end of the learning-rate schedule. It never changes the schedule."""
    seed: int = 0
    """Seed of the initial weights, the data order, the augmentation and the pool."""
    update_first: Literal["generators", "discriminators"] = "generators"
    """`generators`: G before D (official); `discriminators`: D first, then G against the updated D."""
    pool_size: int = 50
    """Generated images kept for each discriminator (paper, section 4); 0 is off."""
    ema_decay: float = 0.0
    """Decay a step of a moving average of the generators, kept beside them, such as 0.999; 0 is off."""
    dtype: Literal["float32", "bfloat16", "float64"] = "float32"
    """Type of the networks' arithmetic; parameters, losses and norm statistics are float32 at least."""
    precision: Literal["default", "high", "highest"] = "default"
    """Precision of float32 products where the hardware has a choice (TF32 on recent GPUs, bfloat16 on TPUs)."""
    remat: bool = False
    """Compute what a generator did on the way once more for its gradients, in place of keeping it: less memory for the
    activations, more time."""
    steps_per_dispatch: int = 1
    """Steps in one program, for fast accelerators that would otherwise wait for the host between small steps. On CPU it
    is much slower."""
    parallel: Literal["jit", "pmap"] = "jit"
    """How a step is spread over devices: one program over a mesh, or the same step as a per-device body."""
    log_every: int = 100
    """Steps between progress lines and logged losses."""
    sample_every: int = 1000
    """Steps between picture grids."""
    checkpoint_every: int = 1000
    """Steps between checkpoints."""
    keep_checkpoints: int = 3
    """How many of the newest checkpoints stay, beside the best by any score."""
    eval_every: int = 0
    """Steps between evaluations on the test images, as `cyclegan-jax evaluate` does them; each saves a checkpoint, and
    the best by each score is kept. 0 is off."""
    eval_images: int | None = None
    """At most so many test images of each domain in those evaluations; default: all."""
    eval_features: str | None = None
    """Add FID and KID to those evaluations: `inception`, the file of its weights (.pth), or for features of your own
    module:function, uint8 images (N, H, W, 3) -> (N, D)."""
    init_from: str | None = None
    """A run whose weights a new run, in a work directory of its own, starts from (fine-tuning)."""

    def __post_init__(self) -> None:
        """Check each field alone and the fields that must fit together."""
        check_types(self, "")
        for name in (
            "batch_size",
            "steps_per_dispatch",
            "log_every",
            "sample_every",
            "checkpoint_every",
            "keep_checkpoints",
        ):
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        require(self.steps is None or self.steps >= 1, "steps", self.steps, "at least 1")
        require(self.eval_every >= 0, "eval_every", self.eval_every, "0 or more")
        require(self.eval_images is None or self.eval_images >= 2, "eval_images", self.eval_images, "at least 2")
        require(0 <= self.seed < 2**31, "seed", self.seed, "from 0 to 2147483647")
        require(self.pool_size >= 0, "pool_size", self.pool_size, "0 or more")
        require(0 <= self.ema_decay < 1, "ema_decay", self.ema_decay, "at least 0 and below 1")
        if self.loss.identity_weight > 0 and self.data.channels_A != self.data.channels_B:
            raise UserError(
                f"loss.identity_weight is {self.loss.identity_weight}, but the identity loss needs as many channels in "
                f"both domains, and data.channels_A is {self.data.channels_A}, data.channels_B {self.data.channels_B}: "
                "set loss.identity_weight to 0 or make the channels equal"
            )


_Config = TypeVar("_Config")


def to_dict(config: TrainConfig) -> dict[str, Any]:
    """The config as nested plain dictionaries, ready for JSON."""
    return dataclasses.asdict(config)


def from_dict(values: dict[str, Any]) -> TrainConfig:
    """The config that `to_dict` was given.

    Raises:
        UserError: a field is unknown or its value is not allowed.
    """
    return _build(TrainConfig, values, "")


def _build(kind: type[_Config], values: dict[str, Any], prefix: str) -> _Config:
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise UserError(
            f"the config has a field {prefix}{unknown[0]!s} that this version of cyclegan-jax does not know: "
            "it was written by another version, or the field is misspelt"
        )

    def built(name: str, value: Any) -> Any:
        if dataclasses.is_dataclass(hints[name]):
            return _build(hints[name], value, f"{prefix}{name}.")
        return tuple(value) if isinstance(value, list) else value  # JSON knows no tuples

    return kind(**{name: built(name, value) for name, value in values.items()})


def fields(config: TrainConfig) -> dict[str, Any]:
    """Every field's value by its name, such as `data.image_size`."""

    def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, value in values.items():
            result |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        return result

    return flat(to_dict(config))


def differences(before: TrainConfig, after: TrainConfig) -> list[str]:
    """The fields in which two configs differ, each as `name old -> new`."""
    old, new = fields(before), fields(after)
    return [f"{name} {old[name]} -> {new[name]}" for name in new if old[name] != new[name]]
