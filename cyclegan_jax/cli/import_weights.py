"""`cyclegan-jax import`: make a run of networks that another program trained."""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from cyclegan_jax import files, image_size, live
from cyclegan_jax.cli.flags import Parser
from cyclegan_jax.config import Direction
from cyclegan_jax.errors import UserError

DESCRIPTION = """Create a run from networks trained with pytorch-CycleGAN-and-pix2pix, PyTorch-GAN or a program that
lays out its files like them. Nothing in the files is run, and PyTorch need not be installed. The run is at step 0: the
commands translate, evaluate and export take it, --init_from too, and train goes on from its weights."""


def import_weights(args: Sequence[str]) -> None:
    """Run `cyclegan-jax import` with the arguments `args`.

    Raises:
        UserError: a flag is unknown, a file is not one of the networks of a CycleGAN, or the run cannot be written.
        SystemExit: `--help` was given.
    """
    parser = Parser("cyclegan-jax import", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="a file of weights (.pth, .safetensors), such as latest_net_G_A.pth, a folder of them, or the name of "
        "pretrained weights of the official code, such as horse2zebra, which are downloaded",
    )
    parser.add_argument("--workdir", type=Path, required=True, metavar="RUN", help="work directory of the new run")
    parser.add_argument(
        "--direction", choices=("AtoB", "BtoA"), help="translation direction of files whose names do not state it"
    )
    parser.add_argument("--epoch", help="which networks of a folder; default: latest, or the highest number")
    parser.add_argument(
        "--image_size", help="training images' side in pixels, or height x width such as 256x512; default: 256"
    )
    parser.add_argument("--labels", choices=("A", "B"), help="the domain of label maps, if any, for the scores")
    known = parser.parse_args(args)
    if known.image_size is not None:
        known.image_size = image_size.parse_flag(known.image_size)
    with live.drawn():
        _import([files.expand(path) for path in known.paths], files.expand(known.workdir), known)


def _is_name(path: Path) -> bool:
    """Whether a path means pretrained weights by name: it is one word, and nothing is there."""
    return len(path.parts) == 1 and not path.suffix and not files.exists(path)


def _fetched(name: str, direction: Direction | None) -> tuple[Path, Direction]:
    """The file of the pretrained weights of that name, and what it translates."""
    from cyclegan_jax.devices import backend
    from cyclegan_jax.exchange import official_weights

    try:
        model = official_weights.find(name)
    except UserError as error:
        raise UserError(f"there is no file or folder {name}, and {error}") from error
    if direction not in (None, model.direction):
        raise UserError(f"{name} is a generator of direction {model.direction}: leave out --direction {direction}")
    return official_weights.fetch(name, backend.cache_folder() / "pretrained"), model.direction


def _import(paths: list[Path], workdir: Path, known: argparse.Namespace) -> None:
    from cyclegan_jax.console import shown_log

    with shown_log(), live.showing("starting JAX"):
        from cyclegan_jax.exchange import official_options, torch_names, torch_networks
        from cyclegan_jax.training import imported_run

        imported_run.check_free(workdir)
        directions = {}
        for index, path in enumerate(paths):
            if _is_name(path):
                paths[index], directions[paths[index]] = _fetched(str(path), known.direction)
        options = official_options.find(paths[0] if files.is_dir(paths[0]) else paths[0].parent)
        swapped = options is not None and options.swapped
        found = torch_names.collect(paths, known.epoch, known.direction, directions, swapped=swapped)
    with shown_log(), live.showing("reading the networks"):
        networks = torch_networks.read(found)
        config = torch_networks.config_of(networks, options, known.image_size, known.labels)
    with shown_log(), live.showing("writing the run"):
        drawn = imported_run.write(networks, config, workdir)
    for slot, network in networks.items():
        print(f"{torch_names.told(slot)}: {network.path}")
    if options is not None:
        print(f"settings: {options.path}" + (", whose direction is BtoA: A and B are exchanged" if swapped else ""))
    if drawn:
        print(f"not found, so randomly initialized: {', '.join(map(torch_names.told, drawn))}")
    folder = shlex.quote(str(workdir))
    direction = next(name for kind, name in networks if kind == "generators")
    flag = "" if direction == "AtoB" else " --direction=BtoA"
    print(f"translate: cyclegan-jax translate --run {folder} --input PHOTOS --output OUT{flag}")
    print(f"train on:  cyclegan-jax train --config {folder}/config.json --workdir {folder} --data.dir=PHOTOS")
