"""The config of an experiment: frozen dataclasses that check their values on construction.

A config file's `get_config()` returns a `TrainConfig`. Every checkpoint stores it, so a trained model loads without any
architecture flags. The field docstrings are the text of `train.py --help`.
"""

import math
import pathlib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from cyclegan_jax.config_checks import check_limits, check_types, require
from cyclegan_jax.config_limits import LIMITS
from cyclegan_jax.errors import UserError
from cyclegan_jax.optimizer_config import OptimizerConfig as OptimizerConfig

Domain = Literal["A", "B"]
Direction = Literal["AtoB", "BtoA"]

Upsample = Literal["resize", "transposed", "antialiased"]
Norm = Literal["instance", "instance_affine", "batch", "none"]
Initializer = Literal["normal", "xavier", "kaiming", "orthogonal"]

OTHER_DOMAIN: Final[Mapping[Domain, Domain]] = {"A": "B", "B": "A"}
DOMAINS: Final[Mapping[Direction, tuple[Domain, Domain]]] = {"AtoB": ("A", "B"), "BtoA": ("B", "A")}
"""The domain that a generator of a direction takes images of, and that of the images it makes."""
OPPOSITE: Final[Mapping[Direction, Direction]] = {"AtoB": "BtoA", "BtoA": "AtoB"}

# The official code resizes to 286 pixels and crops 256; other sizes keep this ratio (143 for 128, as in the paper).
LOAD_RATIO = 286 / 256


@dataclass(frozen=True)
class DataConfig:
    """The two image sets, and how an image becomes a training example."""

    source: Literal["streets", "folder", "cityscapes", "tfds"] = "folder"
    """`streets`: street scenes that the package draws; `folder`: your own images, in `data.dir`; `cityscapes`: the
    official archives, in `data.dir`; `tfds`: a data set of TensorFlow Datasets, by name."""
    dir: str | None = None
    """For `folder`: a folder with trainA, trainB, testA and testB, or train/A, train/B, test/A and test/B. For
    `cityscapes`: the folder of the archives. Otherwise: where to store the data (default: the TFDS directory)."""
    train_A: str | None = None
    """For `folder`: a folder of training images of domain A, instead of the one in `data.dir`."""
    train_B: str | None = None
    """For `folder`: a folder of training images of domain B, instead of the one in `data.dir`."""
    test_A: str | None = None
    """For `folder`: a folder of test images of domain A, instead of the one in `data.dir`."""
    test_B: str | None = None
    """For `folder`: a folder of test images of domain B, instead of the one in `data.dir`."""
    name: str | None = None
    """For `tfds`: one of the paper's data sets, such as horse2zebra."""
    name_A: str | None = None
    """For `tfds`, instead of `data.name`: a labelled data set as domain A, or one class of it, such as cifar10:cat."""
    name_B: str | None = None
    """For `tfds`, instead of `data.name`: the same for domain B."""
    preprocess: Literal["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"] = "resize_and_crop"
    """How training images get their size. `resize_and_crop`: resize to a square of `data.load_size`, then crop; `crop`:
    crop only; `scale_width_and_crop`: scale the width to `data.load_size`, then crop; `scale_width`: scale the width to
    `data.load_size` (default: `data.image_size`); `none`: keep the size. Both scale_width modes stretch images that
    would be lower than `data.image_size` to that height. `scale_width` and `none` round height and width to a size that
    the networks accept, and need images of equal size."""
    image_size: int = 256
    """Height and width in pixels of the square training crop, and of test images if training images are resized to a
    square."""
    load_size: int | None = None
    """Size in pixels to which training images are resized before the random crop; default: image_size * 286 / 256."""
    flip: bool = True
    """Flip each training image left to right with probability 1/2."""
    labels: Domain | None = None
    """The domain of label maps, if any: they are resized by nearest neighbour, snapped to the palette,
    and scored by palette colour."""
    channels_A: Literal[1, 3, 4] = 3
    """Channels of domain A: 1 (gray), 3 (RGB) or 4 (RGBA)."""
    channels_B: Literal[1, 3, 4] = 3
    """Channels of domain B."""
    range_A: tuple[float, float] | None = None
    """The lowest and highest value of domain A, such as 0 4095, if its files hold more than 8 bits (16-bit and float
    images, .npy arrays): this range is scaled to [-1, 1], and a value outside is an error; alpha has the full
    range of its dtype instead. None: 8-bit images."""
    range_B: tuple[float, float] | None = None
    """The same for domain B."""
    on_error: Literal["stop", "skip"] = "stop"
    """At an unreadable training image, `stop` the training, or `skip` to the next image and count it."""
    cache_gib: float = 0.0
    """Memory in GiB for a cache of decoded training images, so that later epochs need not decode them; 0 is off."""
    threads: int = 2
    """Threads that read and decode images; the order of the images does not depend on it."""

    def __post_init__(self) -> None:
        """Check every field, and the fields that depend on each other."""
        check_types(self, "data")
        check_limits(self, "data", LIMITS)
        if self.load_size is not None:
            need = f"at least data.image_size ({self.image_size}), since crops are taken from it"
            require(self.load_size >= self.image_size, "data.load_size", self.load_size, need)
        if self.labels is not None and self.channels(self.labels) != 3:
            raise UserError(
                f"data.labels is {self.labels!r}, but label maps have palette colours in 3 channels and "
                f"data.channels_{self.labels} is {self.channels(self.labels)}: set it to 3, or data.labels to None"
            )
        for domain in typing.get_args(Domain):
            self._check_range(domain)

    def _check_range(self, domain: Domain) -> None:
        limits = self.value_range(domain)
        if limits is None:
            return
        need = "two finite values, the lower first"
        require(-math.inf < limits[0] < limits[1] < math.inf, f"data.range_{domain}", limits, need)
        if self.labels == domain:
            raise UserError(
                f"data.range_{domain} is {limits}, but data.labels is {domain!r} and label maps have 8-bit colours: "
                "set one of the two to None"
            )

    @property
    def resolved_load_size(self) -> int:
        """`load_size` in pixels, or its default for the preprocess mode."""
        if self.load_size is not None:
            return self.load_size
        return self.image_size if self.preprocess == "scale_width" else round(self.image_size * LOAD_RATIO)

    @property
    def crops(self) -> bool:
        """Whether training images are crops of `image_size`; if not, their size depends on the data."""
        return self.preprocess not in ("scale_width", "none")

    def channels(self, domain: Domain) -> int:
        """Number of channels of a domain's images: 1, 3 or 4."""
        return self.channels_A if domain == "A" else self.channels_B

    def subject(self, domain: Domain) -> str:
        """What a domain's images are, as far as the config says, such as `label maps`, `horse` or `photos/trainA`."""
        if self.labels == domain:
            return "label maps"
        if self.labels is not None:
            return "photos"
        folder = self.train_A if domain == "A" else self.train_B
        if folder is not None:
            return pathlib.PurePath(folder).name
        labelled = self.name_A if domain == "A" else self.name_B
        if labelled is not None:
            return labelled
        if self.name is not None and self.name.count("2") == 1:
            return self.name.split("2")["AB".index(domain)]
        return f"{pathlib.PurePath(self.dir).name}/train{domain}" if self.dir is not None else f"domain {domain}"

    def value_range(self, domain: Domain) -> tuple[float, float] | None:
        """The lowest and highest value of a domain's images, or None for 8-bit images."""
        return self.range_A if domain == "A" else self.range_B


@dataclass(frozen=True)
class GeneratorConfig:
    """The generators: ResNets (paper, appendix 7.2) or U-Nets."""

    blocks: int = 9
    """Residual blocks; the paper has 6 at 128 pixels, and 9 at 256 pixels and more."""
    width: int = 64
    """Channels after the first convolution; the two downsampling layers double them."""
    upsample: Upsample = "transposed"
    """`transposed`: stride-2 transposed convolutions, as in the official code; `resize`: nearest upsampling, then a
    convolution, as in PyTorch-GAN; `antialiased`: bilinear upsampling, then a convolution, as in CUT."""
    dropout: float = 0.0
    """Dropout rate in the residual blocks during training (0.5 in the official code's option); 0 is off."""
    norm: Norm = "instance"
    """The norm after the convolutions. `instance`: without parameters; `instance_affine`: with a learned scale and
    shift of each channel; `batch`: over the batch in training, by running statistics at test time; `none`. With `batch`
    and `none` those convolutions have no bias, as in the official code."""
    kind: Literal["resnet", "unet"] = "resnet"
    """`resnet`: the paper's; `unet`: the U-Net of pix2pix and of the official code, which takes `width`, `depth`,
    `dropout` (in its middle) and `norm`."""
    depth: int = 8
    """How often the `unet` kind halves height and width, which must be multiples of 2^depth: 8 is the official
    `unet_256`, 7 is `unet_128`."""
    antialias: bool = False
    """Downsampling of the `resnet` kind by convolutions of stride 1 and a blur with the filter [1 2 1], as in CUT,
    instead of stride-2 convolutions."""

    def __post_init__(self) -> None:
        """Check every field."""
        check_types(self, "generator")
        check_limits(self, "generator", LIMITS)

    @property
    def size_multiple(self) -> int:
        """The number that image height and width must be divisible by: halved and doubled, others come back changed."""
        return 2**self.depth if self.kind == "unet" else 4


@dataclass(frozen=True)
class DiscriminatorConfig:
    """The PatchGAN discriminators (paper, section 4 and appendix 7.2)."""

    kind: Literal["n_layers", "pytorch_gan", "pixel"] = "n_layers"
    """`n_layers`: the official PatchGAN, 70x70 with 3 layers; `pytorch_gan`: PyTorch-GAN's, four stride-2 blocks and an
    asymmetric zero pad, which scores H/16 x W/16 patches of 94x94; `pixel`: the official one that scores each pixel by
    itself."""
    n_layers: int = 3
    """Stride-2 convolutions of the `n_layers` kind; 3 gives patches of 70x70 pixels."""
    width: int = 64
    """Channels after the first convolution."""
    norm: Norm = "instance"
    """The norm after all convolutions but the first and the last; the choices are those of `generator.norm`."""
    antialias: bool = False
    """Downsampling of the `n_layers` kind as with `generator.antialias`."""
    every: int = 1
    """Update the discriminators in every so many-th step only; the generators are updated and the pools filled in all
    steps. The logged discriminator losses are those of the last such step."""

    def __post_init__(self) -> None:
        """Check every field."""
        check_types(self, "discriminator")
        check_limits(self, "discriminator", LIMITS)


@dataclass(frozen=True)
class LossConfig:
    """The objective's terms and their weights (paper, section 3)."""

    cycle_weight_A: float = 10.0
    """Weight of the cycle loss A -> B -> A; the adversarial loss has weight 1."""
    cycle_weight_B: float = 10.0
    """Weight of the cycle loss B -> A -> B."""
    identity_weight: float = 0.0
    """Weight of the identity loss relative to the cycle weight: 0.5 with a cycle weight of 10 is 5; 0 is off."""
    identity: Literal["target", "input"] = "target"
    """`target`: a generator should keep an image that is in its target domain already, ||G(y) - y|| (paper, section
    5.2); `input`: its output should stay near its input, ||G(x) - x||."""
    domains: Literal["sum", "mean"] = "sum"
    """How the two domains' terms are combined: `sum` as in the official code, or `mean` as in PyTorch-GAN."""
    discriminator_domains: Literal["sum", "mean"] | None = None
    """The same for the discriminators' loss; default: as `loss.domains`. `sum` acts as a separate Adam for each
    discriminator."""

    def __post_init__(self) -> None:
        """Check every field."""
        check_types(self, "loss")
        check_limits(self, "loss", LIMITS)


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
    steps: int | None = None
    """Stop after this step; default: the end of the learning-rate schedule. The schedule does not depend on it."""
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
    log_every: int = 100
    """Steps between progress lines and logged losses."""
    sample_every: int = 1000
    """Steps between grids of sample images."""
    sample_minutes: float = 0.5
    """Draw a grid before the first step, another after this many minutes of training, and more at twice the time each,
    until those of `sample_every` come sooner. 0 is off."""
    checkpoint_every: int = 1000
    """Steps between checkpoints."""
    checkpoint_minutes: float = 10.0
    """Save at least this often, in minutes, even if `checkpoint_every` steps take longer; such an extra checkpoint is
    deleted when the next one is on disk. 0 is off."""
    keep_checkpoints: int = 3
    """Number of the newest checkpoints to keep, besides the best by each score."""
    eval_every: int = 0
    """Steps between evaluations on the test images, like those of `cyclegan-jax evaluate`; each saves a checkpoint, and
    the best by each score is kept. 0 is off."""
    eval_images: int | None = None
    """Largest number of test images per domain in these evaluations; default: all."""
    eval_features: str | None = None
    """Add FID and KID to these evaluations, with these features: `inception`, a file of its weights (.pth), or your own
    function as module:function, from uint8 images (N, H, W, 3) to (N, D)."""
    init_from: str | None = None
    """Work directory of a run whose weights a new run in another work directory starts from (fine-tuning)."""
    init: Initializer = "normal"
    """The distribution of the initial weights, as the official code's `--init_type`; biases are 0. `normal` is the
    paper's."""
    init_gain: float = 0.02
    """The standard deviation of `normal`, and of the scales of batch norms, whose mean is 1; a factor for `xavier` and
    `orthogonal`; without effect on the kernels of `kaiming`."""

    def __post_init__(self) -> None:
        """Check every field, and the fields that depend on each other."""
        check_types(self, "")
        check_limits(self, "", LIMITS)
        if self.loss.identity_weight > 0 and self.data.channels_A != self.data.channels_B:
            raise UserError(
                f"loss.identity_weight is {self.loss.identity_weight}, but the identity loss needs domains with equal "
                f"channels and data.channels_A is {self.data.channels_A}, data.channels_B {self.data.channels_B}: "
                "set loss.identity_weight to 0, or the channels to the same number"
            )
        if self.optimizer.schedule == "plateau":
            self._check_plateau()

    def _check_plateau(self) -> None:
        if self.eval_every == 0:
            raise UserError(
                "optimizer.schedule is 'plateau', but eval_every is 0, so that there are no scores to follow: set "
                "eval_every to the number of steps between evaluations, or choose another schedule"
            )
        if self.optimizer.plateau_score is None and self.data.labels is None and self.eval_features is None:
            raise UserError(
                "optimizer.schedule is 'plateau', but by the only scores, those of the reconstruction, a copy of the "
                "input is best: set eval_features or data.labels, or name the score by optimizer.plateau_score"
            )

    @property
    def pairs_per_step(self) -> int:
        """Image pairs per step, over all devices and parts."""
        return self.batch_size * self.accumulate

    def evaluates(self, step: int) -> bool:
        """Whether a run evaluates its checkpoint of `step`, whichever step is the last; the last is another one."""
        return self.eval_every > 0 and step % self.eval_every == 0
