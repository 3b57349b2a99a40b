"""The name of a run without `--workdir`: the config's, and the flags that make another experiment of it."""

import hashlib
import re
from typing import Final

from cyclegan_jax import config_dict
from cyclegan_jax.checkpoints import config_changes
from cyclegan_jax.config import TrainConfig

_DATA: Final = {"data.dir", "data.train_A", "data.train_B", "data.test_A", "data.test_B", "init_from", "init_step"}
"""Fields that a run may change, since data move, but that tell experiments apart where they begin."""
_LONGEST: Final = 100
"""Characters of a name."""
_HASH: Final = 8


def run_name(stem: str, default: TrainConfig, config: TrainConfig) -> str:
    """Return a folder name that is the same for the same experiment, and another for another.

    Args:
        stem: the config's name, such as `streets`.
        default: the config of that name.
        config: the same, changed by flags. Fields that leave the experiment as it is, such as `steps`, have no effect.

    Returns:
        `stem`, followed by `-FIELD=VALUE` for each field that differs. Characters that are not safe in a folder name
        become `_`; a name in which they occur, or that is too long, ends with a hash of all differences.
    """
    told = _DATA | config_changes.WHEN_ALLOWED | config_changes.FIXED
    changed = {name: new for name, (_, new) in config_dict.changes(default, config).items() if name in told}
    exact = "".join(f"-{name}={value}" for name, value in changed.items())
    safe = re.sub(r"[^\w.=+-]", "_", exact)
    if safe == exact and len(stem + safe) <= _LONGEST:
        return stem + safe
    digest = hashlib.sha256(exact.encode(errors="surrogateescape")).hexdigest()[:_HASH]
    return f"{(stem + safe)[: _LONGEST - _HASH - 1]}-{digest}"
