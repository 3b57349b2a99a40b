"""One generator as a file or folder of its own: weights in a safetensors file, and what they belong to in its header.

The folder follows the convention of the Hugging Face hub: `model.safetensors`, `config.json` and a model card. The file
alone is enough to load the generator: `config.json` repeats its header for readers and for the hub.
"""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jax
import numpy as np
import safetensors
import safetensors.numpy
from flax import nnx

import cyclegan_jax
from cyclegan_jax import config_dict, config_paths, files
from cyclegan_jax.checkpoints import checksums
from cyclegan_jax.config import DOMAINS, Direction, Domain, TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.networks import cyclegan, weights
from cyclegan_jax.networks.cyclegan import Params

WEIGHTS: Final = "model.safetensors"
CONFIG: Final = "config.json"
MODEL_TYPE: Final = "cyclegan-generator"
"""The entry `model_type` of `config.json`, by which readers of the hub tell whose model it is."""
_HEADER: Final = "cyclegan_jax"
"""The key of our text in the header of a safetensors file."""


@dataclass(frozen=True, eq=False)
class Pretrained:
    """One generator without its run.

    Attributes:
        config: the experiment that trained it; of its paths the names alone are kept.
        direction: `AtoB` or `BtoA`.
        step: the training step of its checkpoint.
        params: its parameters, float32 or float64.
    """

    config: TrainConfig
    direction: Direction
    step: int
    params: Params

    @property
    def domains(self) -> tuple[Domain, Domain]:
        """The domain of its inputs and that of its outputs."""
        return DOMAINS[self.direction]

    @property
    def sides(self) -> tuple[int, int]:
        """What height and width of its inputs must be multiples of, and what they must be at least, pixels."""
        make = cyclegan.make_generator
        network = nnx.eval_shape(lambda: make(self.config, self.direction, jax.random.key(0)))
        return network.size_multiple, network.min_size


def is_one(path: str | Path) -> bool:
    """Whether a generator of its own is at `path`: a folder with `model.safetensors`, or a file `*.safetensors`."""
    path = Path(path)
    return files.exists(path / WEIGHTS) if files.is_dir(path) else path.suffix == ".safetensors" and files.is_file(path)


def contents(model: Pretrained, card: str, pictures: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of a model by name: `model.safetensors`, `config.json`, its card `README.md`, and pictures.

    Args:
        model: the generator.
        card: the text of the model card, see `model_card`.
        pictures: files that the card shows, by name.
    """
    own = {"README.md": card.encode(), CONFIG: config_json(model).encode(), WEIGHTS: encode(model)}
    return {**pictures, **own}


def save(folder: Path, contents: Mapping[str, bytes], *, overwrite: bool = False) -> None:
    """Write a model as a folder.

    Args:
        folder: made where it does not exist.
        contents: the files, see the function `contents`.
        overwrite: whether to replace a model that is there.

    Raises:
        UserError: a model is there already, or the folder cannot be written.
    """
    if not overwrite and files.exists(folder / WEIGHTS):
        raise UserError(f"{folder} holds a model already: choose another folder, or replace it with overwrite")
    try:
        files.make_folder(folder)
        with files.writing_together() as write:
            for name, content in contents.items():
                write(folder / name, content)
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror or error}): choose another folder") from error


def encode(model: Pretrained) -> bytes:
    """The content of a safetensors file that holds the model; checksums in its header prove the weights."""
    header = json.dumps(checksums.sign(_describe(model) | {"arrays": checksums.describe(model.params)}))
    leaves = map(np.asarray, jax.tree.leaves(model.params))
    tensors = dict(zip(checksums.leaf_names(model.params), map(np.ascontiguousarray, leaves), strict=True))
    # One key alone: safetensors writes several in an order that changes, and equal models should be equal files.
    return safetensors.numpy.save(tensors, {_HEADER: header})


def config_json(model: Pretrained) -> str:
    """The text of `config.json`."""
    return json.dumps(_describe(model), indent=2) + "\n"


def load(path: str | Path) -> Pretrained:
    """Load a generator that was exported; see `is_one`.

    Raises:
        UserError: it cannot be read, is damaged, or was written by another program.
    """
    path = Path(path)
    file = path / WEIGHTS if files.is_dir(path) else path
    files.check_readable(file)
    try:
        with safetensors.safe_open(file, framework="numpy") as opened:
            header = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()} if _HEADER in header else {}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise UserError(f"{file} is not a whole safetensors file: copy or export it again") from error
    if _HEADER not in header:
        raise UserError(
            f"{file} was not exported by cyclegan-jax: give the work directory of a run, or what `cyclegan-jax export` "
            f"wrote; weights of PyTorch become a run by `cyclegan-jax import {file} --workdir RUN`"
        )
    try:
        described = checksums.unsign(json.loads(header[_HEADER]))
    except (checksums.ChecksumError, ValueError, AttributeError) as error:
        raise UserError(f"the header of {file} is damaged: copy or export it again") from error
    if file != path:
        _compare_config(path / CONFIG, described)
    model = Pretrained(config_dict.from_dict(described["config"]), described["direction"], described["step"], {})
    return dataclasses.replace(model, params=_params(file, model, tensors, described["arrays"]))


def _describe(model: Pretrained) -> dict[str, Any]:
    return {
        "model_type": MODEL_TYPE,
        "cyclegan_jax_version": cyclegan_jax.__version__,
        "direction": model.direction,
        "step": model.step,
        # A run's paths say much about the machine that trained it, and nothing about the model.
        "config": config_dict.to_dict(config_paths.names_only(model.config)),
    }


def _compare_config(file: Path, described: dict[str, Any]) -> None:
    """Refuse a folder whose `config.json` was edited, or belongs to other weights: it would have no effect."""
    try:
        found = json.loads(files.read_bytes(file))
    except ValueError as error:
        raise UserError(f"{file} is not JSON: restore it, or load {WEIGHTS} alone, which holds the same") from error
    if found != {name: value for name, value in described.items() if name != "arrays"}:
        raise UserError(
            f"{file} does not belong to the {WEIGHTS} beside it, or was edited: restore it, or load {WEIGHTS} alone, "
            "which holds its own config"
        )


def _params(file: Path, model: Pretrained, tensors: dict[str, np.ndarray], arrays: dict[str, Any]) -> Params:
    """The tensors as the tree of the network's parameters, compared with the checksums."""
    shapes = jax.eval_shape(
        lambda: weights.params(cyclegan.make_generator(model.config, model.direction, jax.random.key(0)))
    )
    names = checksums.leaf_names(shapes)
    if set(tensors) != set(names) or set(arrays) != set(names):
        raise UserError(f"{file} does not hold the arrays of its own config: export it again")
    params: Params = jax.tree.unflatten(jax.tree.structure(shapes), [tensors[name] for name in names])
    if wrong := checksums.differing(params, arrays):
        raise UserError(f"{file} is damaged (the array {wrong[0]} is not what was written): copy or export it again")
    return params
