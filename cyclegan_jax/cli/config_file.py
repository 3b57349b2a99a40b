"""Finding and loading an experiment's config: a Python file, the config.json of a run, or a name of the package's."""

import ast
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

from cyclegan_jax import config_dict, files
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError


def packaged_configs() -> dict[str, Path]:
    """Return the config files that come with the package, by name, such as `streets`, in alphabetical order."""
    package = Path(__file__).parents[1]
    # A wheel has the files inside the package. A checkout has them beside it, where an installed package has the
    # folders of other projects: so the package's own folder comes first.
    inside = package / "configs"
    folder = inside if files.is_dir(inside) else package.parent / "configs"
    return {path.stem: path for path in sorted(folder.glob("*.py"))}


def packaged_config(name: str) -> Path:
    """Return the config file that comes with the package under this name.

    Raises:
        UserError: there is none; the message lists the names.
    """
    known = packaged_configs()
    if name not in known:
        raise UserError(f"there is no config of the name {name}: choose one of {', '.join(known)}")
    return known[name]


def find_config(given: Path) -> Path:
    """Return the config file that a user means: a file that exists, or else the packaged config of this name.

    Raises:
        UserError: there is neither; the message lists the names.
    """
    with files.naming("--config"):
        if files.is_file(given):
            return given
    known = packaged_configs()
    if str(given) not in known:
        raise UserError(f"there is no config file {given}: give a file that exists, or a name: {', '.join(known)}")
    return known[str(given)]


def summary(path: Path) -> str:
    """Return the first line of a config file's docstring, or an empty string."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def load_config_file(given: Path) -> TrainConfig:
    """Run a config file, and return the result of its `get_config()`; or read the `config.json` of a run.

    Args:
        given: the file, or the name of a packaged config.

    Raises:
        UserError: the file does not exist, raises an error, or does not return a `TrainConfig`.
    """
    path = find_config(given)
    if path.suffix == ".json":
        return _from_json(path)
    module = _run_file(path)
    try:
        config = module.get_config()
    except UserError as error:
        raise UserError(f"the config file {path} is not valid: {error}") from error
    except Exception as error:
        if not hasattr(module, "get_config"):
            raise UserError(f"the config file {path} has no function get_config()") from error
        raise UserError(f"get_config() of the config file {path} raises {type(error).__name__}: {error}") from error
    if not isinstance(config, TrainConfig):
        raise UserError(
            f"get_config() of the config file {path} returns an object of type {type(config).__name__}, but it must "
            "return a TrainConfig"
        )
    return config


def _from_json(path: Path) -> TrainConfig:
    """The config in the `config.json` of a run."""
    try:
        values = json.loads(files.read_bytes(path))
        if isinstance(values, dict):
            return config_dict.from_dict(values)
    except UserError as error:
        raise UserError(f"the config file {path} is not valid: {error}") from error
    except (ValueError, TypeError, AttributeError):  # not JSON, or a value where a part of the config should be
        pass
    raise UserError(f"the config file {path} is not the config.json of a run: give that, or a Python file")


def _run_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"cyclegan_jax_config_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"the config file {path} is not a Python file: its name must end in .py")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and tyro look up a class's module here to resolve its annotations.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except OSError as error:
        if error.filename != str(path):
            raise UserError(f"the config file {path} raises {type(error).__name__}: {error}") from error
        raise files.UnreadableError(path, error, "--config") from error
    except UserError as error:
        raise UserError(f"the config file {path} is not valid: {error}") from error
    except Exception as error:
        raise UserError(f"the config file {path} raises {type(error).__name__}: {error}") from error
    return module
