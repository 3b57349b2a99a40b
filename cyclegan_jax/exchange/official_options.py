"""The options of a training with the official code, from the `train_opt.txt` that it writes beside its weights."""

import dataclasses
import logging
import re
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cyclegan_jax import files
from cyclegan_jax.config import DataConfig, LossConfig, OptimizerConfig, TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.loss_config import GanLoss

_LOG = logging.getLogger(__name__)

NAMES: Final = ("train_opt.txt", "test_opt.txt", "opt.txt")
"""The files that the official code writes, the best first; early versions wrote `opt.txt`."""
_LINE: Final = re.compile(r"\s*(\w+): (.*?)\s*(?:\t?\[default: .*\])?\s*")
_LARGEST: Final = 1 << 20

_OLD_NAMES: Final = {
    "fineSize": "crop_size",
    "loadSize": "load_size",
    "resize_or_crop": "preprocess",
    "which_direction": "direction",
    "niter": "n_epochs",
    "niter_decay": "n_epochs_decay",
    "identity": "lambda_identity",
    "batchSize": "batch_size",
}
"""What early versions called an option."""


@dataclasses.dataclass(frozen=True)
class OfficialOptions:
    """The options of a file.

    Attributes:
        path: the file.
        values: the options by today's names, as text.
    """

    path: Path
    values: Mapping[str, str]

    @property
    def swapped(self) -> bool:
        """Whether the training called the folder A domain B: `--direction BtoA`."""
        return self.values.get("direction") == "BtoA"

    def apply(self, base: TrainConfig) -> TrainConfig:
        """Return `base` with what the options say of data, losses and optimizer.

        Raises:
            UserError: an option has a value that no config may have; the message names it.
        """
        self._warn()
        data = self._fields("crop_size load_size preprocess", "image_size load_size preprocess", DataConfig)
        if "no_flip" in self.values:
            data["flip"] = not self._value("no_flip", bool)
        if "serial_batches" in self.values:
            data["shuffle"] = not self._value("serial_batches", bool)
        if self.values.get("max_dataset_size", "inf") != "inf":
            data["max_images"] = self._value("max_dataset_size", int)
        if "preprocess" in data:  # CUT's name of the modes
            data["preprocess"] = data["preprocess"].replace("scale_shortside", "scale_shorter")
        if data.get("preprocess", base.data.preprocess) in ("crop", "none"):
            data.pop("load_size", None)
        weights = ["lambda_A", "lambda_B"]
        loss = self._fields(
            " ".join([*(weights[::-1] if self.swapped else weights), "lambda_identity"]),
            "cycle_weight_A cycle_weight_B identity_weight",
            LossConfig,
        )
        loss |= self._adversarial()
        optimizer = (
            self._fields(
                "lr beta1 beta2 n_epochs n_epochs_decay",
                "learning_rate beta1 beta2 constant_epochs decay_epochs",
                OptimizerConfig,
            )
            | self._schedule()
        )
        generator = base.generator
        if generator.kind == "unet" and self.values.get("no_dropout") == "False":  # no tensor of the file tells it
            generator = dataclasses.replace(generator, dropout=0.5)
        whole = self._fields("batch_size pool_size", "batch_size pool_size", TrainConfig)
        try:
            return dataclasses.replace(
                base,
                data=dataclasses.replace(base.data, **data),
                loss=dataclasses.replace(base.loss, **loss),
                generator=generator,
                optimizer=dataclasses.replace(base.optimizer, **optimizer),
                **whole,
            )
        except UserError as error:
            raise UserError(f"{self.path} has an unsupported value: {error}") from error

    def _adversarial(self) -> dict[str, Any]:
        """The fields of the adversarial loss."""
        mode = self.values.get("gan_mode", "lsgan")
        mode = "vanilla" if mode == "nonsaturating" else mode  # CUT's name of the same formula
        if mode not in typing.get_args(GanLoss):
            _LOG.warning(f"{self.path}: gan_mode was {mode}; here a training goes on with lsgan")
            return {}
        if mode != "wgangp":
            return {"gan": mode}
        _LOG.warning(
            f"{self.path}: gan_mode was wgangp, which the official code trains without a gradient penalty; so does a "
            "training here that goes on, unless --loss.gradient_penalty=wgangp adds it"
        )
        return {"gan": mode, "gradient_penalty": "none"}

    def _schedule(self) -> dict[str, Any]:
        """The fields of a schedule that is not the default one."""
        policy = self.values.get("lr_policy")
        if policy == "step":
            return {"schedule": "step", **self._fields("lr_decay_iters", "step_epochs", OptimizerConfig)}
        if policy == "cosine":
            # Over the first epochs. In those of n_epochs_decay the rate rises again there.
            epochs = self._fields("n_epochs", "decay_epochs", OptimizerConfig)
            return {"schedule": "cosine", "constant_epochs": 0, **epochs}
        return {}

    def _warn(self) -> None:
        """Log what the training had that a run here has not."""
        for name, known in (("model", ("cycle_gan",)), ("lr_policy", ("linear", "step", "cosine"))):
            if self.values.get(name, known[0]) not in known:
                _LOG.warning(f"{self.path}: {name} was {self.values[name]}; here a training goes on with {known[0]}")

    def _fields(self, options: str, fields: str, config: type[Any]) -> dict[str, Any]:
        """The values of those options that are there, by the names of a config's fields."""
        kinds = {field.name: type(field.default) for field in dataclasses.fields(config)}
        kinds |= {"load_size": int}
        pairs = zip(options.split(), fields.split(), strict=True)
        return {field: self._value(option, kinds[field]) for option, field in pairs if option in self.values}

    def _value(self, option: str, kind: type[Any]) -> Any:
        text = self.values[option]
        try:
            if kind is bool:
                return {"True": True, "False": False}[text]
            return int(float(text)) if kind is int else kind(text)
        except (KeyError, ValueError, OverflowError) as error:
            raise UserError(f"{self.path} has {option}: {text!r}, which cannot be read: mend or remove it") from error


def find(folder: Path) -> OfficialOptions | None:
    """The options in a folder; None where no file of the official code is there.

    Raises:
        UserError: the options are those of a paired training (pix2pix), or cannot be read.
    """
    for name in NAMES:
        path = folder / name
        if files.is_file(path):
            return _read(path)
    return None


def _read(path: Path) -> OfficialOptions:
    content = files.read_bytes(path)
    if len(content) > _LARGEST:
        raise UserError(f"{path} is no file of options: it has {len(content):,} bytes; move it away")
    found = {}
    for line in content.decode(errors="replace").splitlines():
        if match := _LINE.fullmatch(line):
            found[_OLD_NAMES.get(match[1], match[1])] = match[2]
    if found.get("no_lsgan") == "True":
        found["gan_mode"] = "vanilla"
    if path.name == "test_opt.txt":  # says how somebody tested: without random crops, and one by one
        found = {name: value for name, value in found.items() if name in ("model", "crop_size")}
    options = OfficialOptions(path, found)
    model = found.get("model")
    if model in ("pix2pix", "colorization"):
        raise UserError(
            f"{path} says that the weights beside it are those of {model}, which trains on pairs: give the networks of "
            "a CycleGAN"
        )
    return options
