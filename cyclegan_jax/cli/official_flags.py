"""The flags of the official PyTorch code, pytorch-CycleGAN-and-pix2pix, and what corresponds to each of them here."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from cyclegan_jax.errors import UserError


@dataclass(frozen=True)
class Here:
    """Flags of this package that do what a flag of the official code does.

    Attributes:
        flags: the flags, with a space between them. `{}` stands for the value there, `{steps}` for a value in images
            as a number of steps.
        note: what differs, to complete a sentence.
    """

    flags: str
    note: str = ""

    def __str__(self) -> str:
        """Return the advice as a part of a sentence."""
        names = " with ".join(re.sub(r"=\{.*", "", flag) for flag in self.flags.split())
        return f"here it is {names}" + (f", {self.note}" if self.note else "")


Answer = Here | str
"""What corresponds to a flag of the official code: flags of this package, or a sentence that says what to do."""

_DEFAULT: Final = "leave it out: that is what this package does"
_IMAGES: Final = "which counts steps or epochs; there it counts images"
_RESUMES: Final = "leave it out: the same command again continues the run in --workdir"
_PAGE: Final = "leave it out: RUN/index.html shows curves and pictures, and tensorboard --logdir RUN the curves"
_SAVED: Final = "leave it out: the checkpoint holds the config of the network"
_NOT_HERE: Final = "this is not here"

TRAINING: Final[Mapping[str, Answer]] = {
    "--dataroot": Here("--data.dir={}"),
    "--name": Here("--workdir={}"),
    "--checkpoints_dir": Here("--workdir={}"),
    "--load_size": Here("--data.load_size={}"),
    "--crop_size": Here("--data.image_size={}", "which may be a rectangle such as 256x512"),
    "--no_flip": Here("--data.flip=False"),
    "--input_nc": Here("--data.channels_A={}"),
    "--output_nc": Here("--data.channels_B={}"),
    "--num_threads": Here("--data.threads={}"),
    "--n_epochs": Here("--optimizer.constant_epochs={}"),
    "--n_epochs_decay": Here("--optimizer.decay_epochs={}"),
    "--lr": Here("--optimizer.learning_rate={}"),
    "--beta1": Here("--optimizer.beta1={}"),
    "--lambda_A": Here("--loss.cycle_weight_A={}"),
    "--lambda_B": Here("--loss.cycle_weight_B={}"),
    "--lambda_identity": Here("--loss.identity_weight={}"),
    "--ngf": Here("--generator.width={}"),
    "--ndf": Here("--discriminator.width={}"),
    "--n_layers_D": Here("--discriminator.n_layers={}"),
    "--no_dropout": Here("--generator.dropout=0"),
    "--print_freq": Here("--log_every={steps}", _IMAGES),
    "--display_freq": Here("--sample_every={steps}", _IMAGES),
    "--update_html_freq": Here("--sample_every={steps}", _IMAGES),
    "--save_latest_freq": Here("--checkpoint_every={steps}", _IMAGES),
    "--save_epoch_freq": Here("--snapshot_every={}epochs", "which keeps the generators of each such epoch"),
    "--save_by_iter": _DEFAULT,
    "--continue_train": _RESUMES,
    "--epoch_count": _RESUMES,
    "--epoch": "leave it out: a run resumes from its newest checkpoint; a new run starts from any by --init_from with "
    "--init_step=epoch:20",
    "--load_iter": "leave it out: a run resumes from its newest checkpoint",
    "--gpu_ids": "set CUDA_VISIBLE_DEVICES=0 before the command, or train on all GPUs: --batch_size must be a multiple "
    "of their number",
    "--model": "leave it out: this is CycleGAN",
    "--dataset_mode": "leave it out: --data.source says what the data is",
    "--phase": "leave it out: training reads the folders trainA and trainB, or those of --data.train_A and "
    "--data.train_B",
    "--direction": "exchange the folders, by --data.train_A, --data.train_B, --data.test_A and --data.test_B",
    "--model_suffix": "use --direction of cyclegan-jax translate",
    "--suffix": "give the run another folder by --workdir",
    "--verbose": _NOT_HERE,
    "--use_wandb": "here it is --wandb=PROJECT",
    "--wandb_project_name": Here("--wandb={}"),
    "--no_html": "leave it out: the page of a run, RUN/index.html, is small and quickly written",
    **dict.fromkeys(
        ("--display_ncols", "--display_id", "--display_server", "--display_env", "--display_port", "--display_winsize"),
        _PAGE,
    ),
    "--lr_decay_iters": Here("--optimizer.step_epochs={}"),
    # Of CUT, by the same authors.
    "--no_antialias": "leave it out: --generator.antialias and --discriminator.antialias are off",
    "--no_antialias_up": "leave it out: only --generator.upsample=antialiased turns it on",
    "--serial_batches": Here("--data.shuffle=False"),
    "--max_dataset_size": Here("--data.max_images={}"),
}
"""Flag of the official training command -> what to use here."""

BY_VALUE: Final[Mapping[str, Mapping[str, Answer]]] = {
    "--preprocess": {
        # Of CUT, which leaves larger images as they are.
        "scale_shortside": Here("--data.preprocess=scale_shorter"),
        "scale_shortside_and_crop": Here("--data.preprocess=scale_shorter_and_crop"),
        "": Here("--data.preprocess={}"),
    },
    "--netG": {
        "resnet_9blocks": Here("--generator.blocks=9"),
        "resnet_6blocks": Here("--generator.blocks=6"),
        "unet_256": Here("--generator.kind=unet"),
        "unet_128": Here("--generator.kind=unet --generator.depth=7"),
        "": "this is not here: see --generator.kind for the generators that are",
    },
    "--netD": {
        "basic": _DEFAULT,
        "n_layers": Here("--discriminator.kind=n_layers"),
        "pixel": Here("--discriminator.kind=pixel"),
        "": "this is not here: see --discriminator.kind for the discriminators that are",
    },
    "--norm": {
        "instance": _DEFAULT,
        "sync_instance": "leave it out: instance norm works on single images, whatever the devices",
        "batch": Here("--generator.norm=batch --discriminator.norm=batch"),
        "none": Here("--generator.norm=none --discriminator.norm=none"),
        "": "this is not here: see --generator.norm for the norms that are",
    },
    "--gan_mode": {
        "lsgan": _DEFAULT,
        "vanilla": Here("--loss.gan=vanilla"),
        "wgangp": Here(
            "--loss.gan=wgangp --loss.gradient_penalty=none",
            "as in the official code, which never applies the penalty; without the second flag it is applied",
        ),
        "hinge": Here("--loss.gan=hinge"),
        # Of CUT: the same formula.
        "nonsaturating": Here("--loss.gan=vanilla"),
        "": "this is not here: see --loss.gan for the losses that are",
    },
    "--lr_policy": {
        "linear": _DEFAULT,
        "step": Here("--optimizer.schedule=step"),
        "cosine": Here("--optimizer.schedule=cosine --optimizer.constant_epochs=0"),
        "plateau": "here it is --optimizer.schedule=plateau with --eval_every",
        "": "this is not here: see --optimizer.schedule for the policies that are",
    },
    "--init_type": {
        "normal": _DEFAULT,
        **{name: Here(f"--init={name}") for name in ("xavier", "kaiming", "orthogonal")},
        "": "this is not here: see --init for the distributions that are",
    },
}
"""The same for flags where it depends on the value; the entry "" holds for all other values."""

TESTING: Final[Mapping[str, Answer]] = {
    "--dataroot": "here it is --input of translate, or --data_dir of evaluate",
    "--name": Here("--run={}"),
    "--checkpoints_dir": Here("--run={}"),
    "--results_dir": Here("--output={}"),
    "--num_test": "here it is --images of evaluate; translate takes all files of --input",
    "--epoch": "here it is --step=epoch:20 for 20, or for evaluate --steps=epoch:20; the newest is the default",
    "--load_iter": Here("--step={}"),
    "--model": "leave it out: translate uses one generator, evaluate both",
    "--model_suffix": "here it is --direction of translate: _A is AtoB, _B is BtoA",
    "--load_size": "leave it out: translate keeps the size of an image, or limits it by --max_size",
    "--crop_size": "leave it out: translate keeps the size of an image, or limits it by --max_size",
    "--preprocess": "leave it out: translate keeps the size of an image, or limits it by --max_size",
    "--eval": "leave it out: neither dropout nor batch statistics are on when images are translated",
    "--gpu_ids": "set CUDA_VISIBLE_DEVICES=0 before the command",
    "--phase": "leave it out: evaluate reads the test images, translate what --input names",
    "--dataset_mode": "leave it out: the files of --input are what they are",
    "--num_threads": _DEFAULT,
    "--batch_size": "leave it out: images of one size are grouped",
    "--serial_batches": _DEFAULT,
    "--no_flip": _DEFAULT,
    "--aspect_ratio": "this is not here: scale the images before or after the translation",
    "--direction": "leave it out: there it only says how many channels the input has; --direction of translate chooses "
    "the generator",
    "--max_dataset_size": "here it is --images of evaluate; translate takes all files of --input",
    "--verbose": _NOT_HERE,
    "--suffix": _NOT_HERE,
    "--wandb_project_name": _NOT_HERE,
    "--display_winsize": "leave it out: --gallery writes a page on which the images can be enlarged",
    "--use_wandb": _NOT_HERE,
    **dict.fromkeys(
        ("--netG", "--netD", "--ngf", "--ndf", "--n_layers_D", "--norm", "--no_dropout", "--input_nc", "--output_nc"),
        _SAVED,
    ),
    **dict.fromkeys(("--init_type", "--init_gain"), _SAVED),
}
"""Flag of the official test command -> what to use here."""

FORMER_NAMES: Final[Mapping[str, str]] = {
    "--niter": "--n_epochs",
    "--niter_decay": "--n_epochs_decay",
    "--loadSize": "--load_size",
    "--fineSize": "--crop_size",
    "--resize_or_crop": "--preprocess",
    "--nThreads": "--num_threads",
    "--which_direction": "--direction",
    "--which_epoch": "--epoch",
    "--which_model_netG": "--netG",
    "--which_model_netD": "--netD",
    "--identity": "--lambda_identity",
    "--batchSize": "--batch_size",
    "--how_many": "--num_test",
}
"""Flags of the first versions of the official code, and their later names."""


def check_training(arguments: Iterable[str]) -> None:
    """Check the arguments of the training command for flags of the official code.

    Raises:
        UserError: some of them are such flags; the message says what to use instead of each.
    """
    found = {}
    for name, value in _flags(arguments):
        if name in BY_VALUE:
            found[f"{name} {value}".strip()] = answer(name, value)
        elif name in TRAINING:
            found[name] = answer(name, value)
    _refuse(found)


def answer(name: str, value: str) -> Answer:
    """Return what corresponds to a training flag; KeyError if the official code has no such flag."""
    if name in BY_VALUE:
        return BY_VALUE[name].get(value, BY_VALUE[name][""])
    return TRAINING[name]


def check_testing(arguments: Iterable[str], own: frozenset[str]) -> None:
    """The same for `translate` and `evaluate`, whose `own` flags are not the official code's."""
    _refuse({name: TESTING[name] for name, _ in _flags(arguments) if name in TESTING and name not in own})


def _refuse(found: Mapping[str, Answer]) -> None:
    """Raise one sentence for all flags, each with its advice, if there are any."""
    if len(found) == 1:
        ((flag, advice),) = found.items()
        raise UserError(f"{flag} is a flag of the official PyTorch code: {advice}")
    if found:
        advices = "; ".join(f"{flag}: {advice}" for flag, advice in found.items())
        raise UserError(f"{len(found)} of the flags are those of the official PyTorch code: {advices}")


def _flags(arguments: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each flag with its value, "" where it has none: `--name value` and `--name=value`."""
    for argument, following in pairwise([*arguments, "--"]):
        name, equals, value = argument.partition("=")
        if name.startswith("--"):
            yield FORMER_NAMES.get(name, name), value if equals or following.startswith("--") else following
