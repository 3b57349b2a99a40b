"""`cyclegan-jax convert-command`: a command of the official PyTorch code as the commands that do the same here."""

import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Final

from cyclegan_jax import config_dict, files
from cyclegan_jax.cli import official_flags
from cyclegan_jax.cli.config_file import load_config_file
from cyclegan_jax.cli.flags import Parser, as_word
from cyclegan_jax.cli.official_flags import Here
from cyclegan_jax.errors import UserError

DESCRIPTION = """Print the command that does here what a command of pytorch-CycleGAN-and-pix2pix does. What has no
equal, or needs none, is listed on the error output, a line for each flag."""

_CONFIG: Final = "folders"
"""The config with the official code's defaults."""
_SAME: Final = frozenset({"--batch_size", "--pool_size", "--init_gain"})
"""The flags that both have."""
_TOGETHER: Final = frozenset({
    "--dataroot", "--direction", "--name", "--checkpoints_dir", "--gpu_ids",
    "--model", "--dataset_mode", "--batch_size", "--use_wandb", "--wandb_project_name",
})  # fmt: skip
"""The training flags that are not converted one by one."""
_SWITCHES: Final = frozenset({
    "--continue_train", "--eval", "--no_antialias", "--no_antialias_up", "--no_dropout", "--no_flip",
    "--no_html", "--no_lsgan", "--save_by_iter", "--serial_batches", "--use_wandb", "--verbose",
})  # fmt: skip
"""The official code's flags without a value."""


@dataclass
class Converted:
    """What a command becomes.

    Attributes:
        commands: the commands here, each as a list of words.
        notes: what the user should know of flags that are not in them.
    """

    commands: list[list[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def convert_command(args: Sequence[str]) -> None:
    """Run `cyclegan-jax convert-command` with the arguments `args`.

    Raises:
        UserError: this is no training or test command of the official code, or one of another model.
        SystemExit: `--help` was given.
    """
    parser = Parser("cyclegan-jax convert-command", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("command", metavar="COMMAND", help='in quotes: "python train.py --dataroot ./photos ..."')
    converted = convert(parser.parse_args(args).command)
    for note in converted.notes:
        print(f"# {note}", file=sys.stderr)
    for command in converted.commands:
        print(" ".join(map(_quoted, command)))


def convert(command: str) -> Converted:
    """Convert a command.

    Args:
        command: as one types it into a shell; lines may end with a backslash.

    Raises:
        UserError: as for `convert_command`.
    """
    try:
        words = shlex.split(command.replace("\\\n", " "))
    except ValueError as error:
        raise UserError(f"the command cannot be read ({error}): put single quotes around it") from error
    programs = [index for index, word in enumerate(words) if PurePath(word).name in ("train.py", "test.py")]
    if not programs:
        raise UserError(f"{as_word(command)} is no command of the official code: it runs neither train.py nor test.py")
    before, program, after = words[: programs[0]], PurePath(words[programs[0]]).name, words[programs[0] + 1 :]
    options = dict(_options(after))
    converted = (_training if program == "train.py" else _testing)(options, _processes(before))
    environment = [word for word in before if re.fullmatch(r"\w+=\S*", word)]
    environment += _device(options)
    converted.commands = [[*environment, *words] for words in converted.commands]
    return converted


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each flag by its newest name, and its value, "" for a switch."""
    rest = list(words)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        if not name.startswith("--"):
            raise UserError(f"{as_word(name)} is not a flag: the official code takes values as --flag value")
        if not equals and name not in _SWITCHES:
            if not rest or rest[0].startswith("--"):
                raise UserError(f"{name} has no value")
            value = rest.pop(0)
        name = official_flags.FORMER_NAMES.get(name, name)
        if name == "--no_lsgan":
            name, value = "--gan_mode", "vanilla"
        yield name, value


def _processes(words: Sequence[str]) -> int:
    """How many processes `torchrun` or `torch.distributed.launch` starts: each has a batch of its own."""
    found = re.search(r"--nproc[_-]per[_-]node[= ](\d+)", " ".join(words))
    return int(found[1]) if found else 1


def _device(options: Mapping[str, str]) -> list[str]:
    devices = options.get("--gpu_ids")
    if devices is None:
        return []
    return ["JAX_PLATFORMS=cpu"] if devices == "-1" else [f"CUDA_VISIBLE_DEVICES={devices}"]


def _number(options: Mapping[str, str], name: str, default: int) -> int:
    text = options.get(name, str(default))
    if not re.fullmatch(r"[1-9]\d{0,17}", text):
        raise UserError(f"{name} is {as_word(text)}, but it must be a number of 1 or more")
    return int(text)


def _run(options: Mapping[str, str]) -> str:
    """The work directory here of a training there; another folder than that of the weights, if these are imported."""
    imports = "--continue_train" in options or "--results_dir" in options
    folder = "runs" if imports else options.get("--checkpoints_dir", "runs")
    return str(PurePath(folder, options.get("--name", "experiment_name")))


def _weights(options: Mapping[str, str]) -> str:
    """The folder there of a training's weights."""
    folder = options.get("--checkpoints_dir", "checkpoints")
    return str(PurePath(folder, options.get("--name", "experiment_name")))


def _training(options: Mapping[str, str], processes: int) -> Converted:
    _refuse_other_models(options)
    batch_size = _number(options, "--batch_size", 1) * processes
    converted = Converted()
    flags = _data_flags(options) | {"--batch_size": str(batch_size)}
    if options.get("--lr_policy") == "cosine":
        # Over n_epochs, as there; in the epochs of n_epochs_decay the rate rises again there.
        flags["--optimizer.decay_epochs"] = options.get("--n_epochs", "100")
        flags["--optimizer.constant_epochs"] = "0"
        rises = options.get("--n_epochs_decay", "100")
        converted.notes.append(
            f"--n_epochs_decay {rises}: there the rate rises again in these epochs; here the run ends"
        )
    if "--use_wandb" in options:
        flags["--wandb"] = options.get("--wandb_project_name", "CycleGAN-and-pix2pix")
    for name, value in options.items():
        if name in _TOGETHER or not _matters(name, value, options):
            continue
        if name in _SAME:
            flags[name] = value
            continue
        answer = _known(name, value)
        if not isinstance(answer, Here):
            converted.notes.append(f"{name} {value}".strip() + f": {answer}")
            continue
        steps = max(1, _number(options, name, 1) // batch_size) if "{steps}" in answer.flags else 0
        for flag in answer.flags.split():
            ours, _, template = flag.partition("=")
            flags.setdefault(ours, template.format(value, steps=steps))
    if "--continue_train" in options:
        converted.notes.append(
            f"to go on from weights of the official code, import them first: cyclegan-jax import {_weights(options)} "
            f"--workdir {_run(options)}"
        )
    own = [f"{name}={value}" if value else name for name, value in _without_defaults(flags).items()]
    converted.commands = [["cyclegan-jax", "train", "--config", _CONFIG, f"--workdir={_run(options)}", *own]]
    return converted


def _matters(name: str, value: str, options: Mapping[str, str]) -> bool:
    """Whether a value has an effect there that is not the default here."""
    if name == "--n_layers_D":  # other discriminators have 3 layers, or none
        return options.get("--netD") == "n_layers"
    return (name, value) not in (("--max_dataset_size", "inf"), ("--num_threads", "0"))


def _refuse_other_models(options: Mapping[str, str]) -> None:
    for name, ours in (("--model", "cycle_gan"), ("--dataset_mode", "unaligned")):
        if options.get(name, ours) != ours:
            raise UserError(f"{name} is {as_word(options[name])}, but this package has {ours} only: CycleGAN")


def _known(name: str, value: str) -> official_flags.Answer:
    try:
        return official_flags.answer(name, value)
    except KeyError:
        raise UserError(f"{as_word(name)} is no flag of the official code's train.py: correct or remove it") from None


def _data_flags(options: Mapping[str, str]) -> dict[str, str]:
    """The folders; with `--direction BtoA`, those of B are domain A."""
    root = options.get("--dataroot")
    if root is None:
        raise UserError("--dataroot is missing: it is the folder of the images")
    if options.get("--direction", "AtoB") == "AtoB":
        return {"--data.dir": root}
    return {
        f"--data.{split}_{domain}": str(PurePath(root, f"{split}{other}"))
        for split in ("train", "test")
        for domain, other in (("A", "B"), ("B", "A"))
        # Test images are optional, but a folder that is named must be there.
        if split == "train" or not files.is_dir(root) or files.is_dir(Path(root, f"{split}{other}"))
    }


def _without_defaults(flags: Mapping[str, str]) -> dict[str, str]:
    """The flags whose values are not those of the config."""
    defaults = config_dict.fields(load_config_file(Path(_CONFIG)))
    return {name: value for name, value in flags.items() if not _equal(defaults.get(name[2:]), value)}


def _equal(default: object, text: str) -> bool:
    if isinstance(default, bool | str) or not isinstance(default, int | float):
        return str(default) == text
    try:
        return float(text) == default
    except ValueError:
        return False


def _testing(options: Mapping[str, str], processes: int) -> Converted:
    """The commands for `test.py`: it reads weights of the official code, which are imported first."""
    unknown = [name for name in options if name not in official_flags.TESTING and name not in _SAME]
    if unknown:
        raise UserError(f"{as_word(unknown[0])} is no flag of the official code's test.py: correct or remove it")
    options = {"--results_dir": "results", **options}
    run = _run(options)
    importing = ["cyclegan-jax", "import", _weights(options), f"--workdir={run}"]
    if "--epoch" in options:
        importing.append(f"--epoch={options['--epoch']}")
    single = options.get("--model", "test") == "test"
    suffix = options.get("--model_suffix", "")
    if single and not suffix:  # a lone generator, whose file does not say which way it translates
        importing.append("--direction=AtoB")
    if "--dataroot" not in options:
        raise UserError("--dataroot is missing: it is the folder of the images")
    if single:
        output = str(PurePath(options["--results_dir"], options.get("--name", "experiment_name")))
        direction = "BtoA" if suffix == "_B" else "AtoB"
        using = ["translate", f"--run={run}", f"--direction={direction}", f"--input={options['--dataroot']}"]
        using.append(f"--output={output}")
    else:
        using = ["evaluate", f"--run={run}", f"--data_dir={options['--dataroot']}"]
        if "--num_test" in options:
            using.append(f"--images={options['--num_test']}")
    done = {"--dataroot", "--name", "--checkpoints_dir", "--results_dir", "--epoch", "--model", "--model_suffix"}
    done |= {"--gpu_ids"} | (set() if single else {"--num_test"})
    notes = [
        f"{name} {value}".strip() + f": {official_flags.TESTING[name]}"
        for name, value in options.items()
        if name in official_flags.TESTING and name not in done
    ]
    return Converted([importing, ["cyclegan-jax", *using]], notes)


def _quoted(word: str) -> str:
    """A word for a shell; in `--flag=value` the quotes are around the value."""
    name, equals, value = word.partition("=")
    return f"{name}={shlex.quote(value)}" if equals and re.fullmatch(r"-*[\w.]+", name) else shlex.quote(word)
