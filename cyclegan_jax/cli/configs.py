"""`cyclegan-jax configs`: list the packaged configs, print one, or copy one out to edit it."""

from collections.abc import Sequence
from pathlib import Path

from cyclegan_jax.cli.config_file import packaged_config, packaged_configs, summary
from cyclegan_jax.cli.flags import Parser
from cyclegan_jax.errors import UserError

DESCRIPTION = """Without arguments, list the configs that the package contains: cyclegan-jax train --config NAME
trains one. With a name, print that config, or copy it to a file of your own with --out."""


def configs(args: Sequence[str]) -> None:
    """Run `cyclegan-jax configs` with the arguments `args`.

    Raises:
        UserError: a flag is unknown, there is no config of this name, or the file to write exists or cannot be written.
        SystemExit: `--help` was given.
    """
    # argparse, because importing tyro takes longer than everything else here.
    parser = Parser("cyclegan-jax configs", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("name", nargs="?", help="a config, such as streets")
    parser.add_argument("--out", type=Path, metavar="FILE", help="copy the config to this new file, such as mine.py")
    known = parser.parse_args(args)
    if known.out is not None:
        if known.name is None:
            raise UserError(f"--out {known.out} needs the name of a config: one of {', '.join(packaged_configs())}")
        _copy(known.name, known.out)
    elif known.name is not None:
        print(packaged_config(known.name).read_text(encoding="utf-8"), end="")
    else:
        print(_table(packaged_configs()))


def _table(known: dict[str, Path]) -> str:
    width = max(map(len, known))
    return "\n".join(f"{name:{width}}  {summary(path)}" for name, path in known.items())


def _copy(name: str, out: Path) -> None:
    content = packaged_config(name).read_text(encoding="utf-8")
    if out.suffix != ".py":
        raise UserError(f"--out is {out}, but a config is a Python file: its name must end in .py")
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError as error:
        raise UserError(f"{out} exists and is not overwritten: give --out another name") from error
    except (OSError, ValueError) as error:  # a ValueError for a null character
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{out} cannot be written ({reason}): give --out another name") from error
    print(f"wrote {out}; edit it, then train it: cyclegan-jax train --config {out}")
