"""How a `TrainState` is laid out in a checkpoint: by field name, without the fields that are switched off."""

import functools
from pathlib import Path
from typing import Any, Final

import jax

from cyclegan_jax import optimizer
from cyclegan_jax import state as state_lib
from cyclegan_jax.checkpoints.checksums import leaf_names
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError
from cyclegan_jax.state import TrainState

SNAPSHOT: Final = "snapshot"
"""The entry in the metadata of a snapshot."""


def as_dict(state: TrainState) -> dict[str, Any]:
    """The state by field name; plain dictionaries, which a notebook can read without this package."""
    return {name: value for name, value in state._asdict().items() if value is not None}


def generators_alone(fields: dict[str, Any]) -> dict[str, Any]:
    """What a snapshot has of the result of `as_dict`: the generators, and their moving average where there is one."""
    return {name: value for name, value in fields.items() if name in ("generators", "ema")}


def saved_shapes(config: TrainConfig, metadata: dict[str, Any]) -> TrainState:
    """The `jax.ShapeDtypeStruct`s of the state that a run of this config saves."""
    state = _fresh_shapes(config, bool(jax.config.read("jax_enable_x64")))
    arrays = metadata.get("arrays", {})

    def as_saved(name: str, leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        # Where training images are not cropped, the images' size, and so the pools' shape, is not in the config.
        return jax.ShapeDtypeStruct(tuple(arrays[name]["shape"]), leaf.dtype) if name in arrays else leaf

    fields = as_dict(state)
    leaves = [as_saved(name, leaf) for name, leaf in zip(leaf_names(fields), jax.tree.leaves(fields), strict=True)]
    return state._replace(**jax.tree.unflatten(jax.tree.structure(fields), leaves))


# Kept: a reader beside a training that deletes checkpoints is then fast enough when it takes the next one.
@functools.lru_cache(maxsize=4)
def _fresh_shapes(config: TrainConfig, x64: bool) -> TrainState:
    """The shapes of a run's first state; `x64`, JAX's switch for 64-bit types, decides them too."""
    return jax.eval_shape(lambda: state_lib.create(config, optimizer.adam(config.optimizer)))


def check_shapes(now: TrainState, saved: TrainState, path: Path) -> None:
    """Compare a run's state with a checkpoint of the same config: only the size of the images can still differ.

    Raises:
        UserError: a shape or a dtype differs.
    """
    fields, saved_fields = as_dict(now), as_dict(saved)
    pairs = zip(leaf_names(fields), jax.tree.leaves(fields), jax.tree.leaves(saved_fields), strict=True)
    for name, new, old in pairs:
        if (new.shape, new.dtype) != (old.shape, old.dtype):
            raise UserError(
                f"the checkpoint {path} is of images of another size ({name} has the shape {old.shape} there, and "
                f"{new.shape} with the data now): use the run's own data, or another --workdir for a new run"
            )


def like(tree: Any) -> Any:
    """The shapes, dtypes and placement of some arrays, to load others like them."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf.sharding), tree)


def on_first_device(shapes: Any) -> Any:
    """The same shapes and dtypes, placed on this process's first device."""
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device), shapes)
