"""The flags of the official PyTorch code, pytorch-CycleGAN-and-pix2pix, and what corresponds to each of them here."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Final

from cyclegan_jax.errors import UserError

_DEFAULT: Final = "leave it out: that is what this package does"
_RESUMES: Final = "leave it out: the same command again continues the run in --workdir"
_TENSORBOARD: Final = "leave it out: tensorboard --logdir RUN shows the curves, and RUN/samples holds the grids"
_SAVED: Final = "leave it out: the checkpoint holds the config of the network"
_NOT_HERE: Final = "this is not here"

TRAINING: Final[Mapping[str, str]] = {
    "--dataroot": "here it is --data.dir",
    "--name": "here it is --workdir",
    "--checkpoints_dir": "here it is --workdir",
    "--load_size": "here it is --data.load_size",
    "--crop_size": "here it is --data.image_size",
    "--preprocess": "here it is --data.preprocess",
    "--no_flip": "here it is --data.flip=False",
    "--input_nc": "here it is --data.channels_A",
    "--output_nc": "here it is --data.channels_B",
    "--num_threads": "here it is --data.threads",
    "--n_epochs": "here it is --optimizer.constant_epochs",
    "--n_epochs_decay": "here it is --optimizer.decay_epochs",
    "--lr": "here it is --optimizer.learning_rate",
    "--beta1": "here it is --optimizer.beta1",
    "--lambda_A": "here it is --loss.cycle_weight_A",
    "--lambda_B": "here it is --loss.cycle_weight_B",
    "--lambda_identity": "here it is --loss.identity_weight",
    "--ngf": "here it is --generator.width",
    "--ndf": "here it is --discriminator.width",
    "--n_layers_D": "here it is --discriminator.n_layers",
    "--no_dropout": "here it is --generator.dropout=0",
    "--print_freq": "here it is --log_every, which counts steps; there it counts images",
    "--display_freq": "here it is --sample_every, which counts steps; there it counts images",
    "--update_html_freq": "here it is --sample_every, which counts steps; there it counts images",
    "--save_latest_freq": "here it is --checkpoint_every, which counts steps; there it counts images",
    "--save_epoch_freq": "here it is --checkpoint_every, which counts steps; there it counts epochs",
    "--save_by_iter": _DEFAULT,
    "--continue_train": _RESUMES,
    "--epoch_count": _RESUMES,
    "--epoch": "leave it out: a run resumes from its newest checkpoint; --init_from starts a new run from it",
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
    "--use_wandb": _TENSORBOARD,
    "--wandb_project_name": _TENSORBOARD,
    "--no_html": _TENSORBOARD,
    **dict.fromkeys(
        ("--display_ncols", "--display_id", "--display_server", "--display_env", "--display_port", "--display_winsize"),
        _TENSORBOARD,
    ),
    "--lr_decay_iters": "here it is --optimizer.step_epochs",
    # Of CUT, by the same authors.
    "--no_antialias": "leave it out: --generator.antialias and --discriminator.antialias are off",
    "--no_antialias_up": "leave it out: only --generator.upsample=antialiased turns it on",
    "--serial_batches": _NOT_HERE,
    "--max_dataset_size": "this is not here: put the images that you want into folders of their own",
}
"""Flag of the official training command -> what to use here."""

BY_VALUE: Final[Mapping[str, Mapping[str, str]]] = {
    "--netG": {
        "resnet_9blocks": "here it is --generator.blocks=9",
        "resnet_6blocks": "here it is --generator.blocks=6",
        "unet_256": "here it is --generator.kind=unet",
        "unet_128": "here it is --generator.kind=unet with --generator.depth=7",
        "": "this is not here: see --generator.kind for the generators that are",
    },
    "--netD": {
        "basic": _DEFAULT,
        "n_layers": "here it is --discriminator.kind=n_layers",
        "pixel": "here it is --discriminator.kind=pixel",
        "": "this is not here: see --discriminator.kind for the discriminators that are",
    },
    "--norm": {
        "instance": _DEFAULT,
        "sync_instance": "leave it out: instance norm works on single images, whatever the devices",
        "batch": "here it is --generator.norm=batch with --discriminator.norm=batch",
        "none": "here it is --generator.norm=none with --discriminator.norm=none",
        "": "this is not here: see --generator.norm for the norms that are",
    },
    "--gan_mode": {"lsgan": _DEFAULT, "": "this is not here: the adversarial loss is least squares (lsgan)"},
    "--lr_policy": {
        "linear": _DEFAULT,
        "step": "here it is --optimizer.schedule=step",
        "cosine": "here it is --optimizer.schedule=cosine with --optimizer.constant_epochs=0",
        "plateau": "here it is --optimizer.schedule=plateau with --eval_every",
        "": "this is not here: see --optimizer.schedule for the policies that are",
    },
    "--init_type": {
        "normal": _DEFAULT,
        **{name: f"here it is --init={name}" for name in ("xavier", "kaiming", "orthogonal")},
        "": "this is not here: see --init for the distributions that are",
    },
}
"""The same for flags where it depends on the value; the entry "" holds for all other values."""

TESTING: Final[Mapping[str, str]] = {
    "--dataroot": "here it is --input of translate, or --data_dir of evaluate",
    "--name": "here it is --run",
    "--checkpoints_dir": "here it is --run",
    "--results_dir": "here it is --output",
    "--num_test": "here it is --images of evaluate; translate takes all files of --input",
    "--epoch": "here it is --step, which counts steps; there it counts epochs",
    "--load_iter": "here it is --step",
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
            by_value = BY_VALUE[name]
            found[f"{name} {value}".strip()] = by_value.get(value, by_value[""])
        if name in TRAINING:
            found[name] = TRAINING[name]
    _refuse(found)


def check_testing(arguments: Iterable[str], own: frozenset[str]) -> None:
    """The same for `translate` and `evaluate`, whose `own` flags are not the official code's."""
    _refuse({name: TESTING[name] for name, _ in _flags(arguments) if name in TESTING and name not in own})


def _refuse(found: Mapping[str, str]) -> None:
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
