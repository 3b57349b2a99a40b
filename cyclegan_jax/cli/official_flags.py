"""The flags of the official PyTorch code, pytorch-CycleGAN-and-pix2pix, and the flags here that correspond to them."""

from collections.abc import Iterable
from typing import Final

from cyclegan_jax.errors import UserError

EQUALS: Final = {
    "--dataroot": "--data.dir",
    "--name": "--workdir",
    "--checkpoints_dir": "--workdir",
    "--load_size": "--data.load_size",
    "--crop_size": "--data.image_size",
    "--preprocess": "--data.preprocess",
    "--no_flip": "--data.flip=False",
    "--input_nc": "--data.channels_A",
    "--output_nc": "--data.channels_B",
    "--num_threads": "--data.threads",
    "--n_epochs": "--optimizer.constant_epochs",
    "--n_epochs_decay": "--optimizer.decay_epochs",
    "--lr": "--optimizer.learning_rate",
    "--beta1": "--optimizer.beta1",
    "--lambda_A": "--loss.cycle_weight_A",
    "--lambda_B": "--loss.cycle_weight_B",
    "--lambda_identity": "--loss.identity_weight",
    "--netG": "--generator.blocks",
    "--ngf": "--generator.width",
    "--netD": "--discriminator.kind",
    "--ndf": "--discriminator.width",
    "--n_layers_D": "--discriminator.n_layers",
    "--no_dropout": "--generator.dropout=0",
    "--print_freq": "--log_every",
    "--display_freq": "--sample_every",
    "--update_html_freq": "--sample_every",
    "--save_latest_freq": "--checkpoint_every",
    "--save_epoch_freq": "--checkpoint_every",
}
"""Official flag -> the flag here that does the same."""

COUNTS_IMAGES: Final = frozenset({"--print_freq", "--display_freq", "--update_html_freq", "--save_latest_freq"})
"""Official flags that count images, while their counterparts here count steps."""

OTHERWISE: Final = {
    "--continue_train": "leave it out: the same command again continues the run in --workdir",
    "--epoch_count": "leave it out: the same command again continues the run in --workdir",
    "--gpu_ids": "set CUDA_VISIBLE_DEVICES=0 before the command, or train on all GPUs: --batch_size must be a "
    "multiple of their number",
    "--model": "leave it out: this is CycleGAN",
    "--dataset_mode": "leave it out: --data.source says what the data is",
    "--use_wandb": "leave it out: tensorboard --logdir RUN shows the curves",
    "--model_suffix": "use --direction of cyclegan-jax translate",
    "--direction": "exchange the folders, by --data.train_A, --data.train_B, --data.test_A and --data.test_B",
}
"""Official flag without such a counterpart -> what to do instead."""


def check(flags: Iterable[str]) -> None:
    """Check a command line for flags of the official code.

    Args:
        flags: the arguments, such as `--n_epochs=100`.

    Raises:
        UserError: one of them is such a flag; the message says what to use instead.
    """
    for flag in flags:
        name = flag.partition("=")[0]
        if name in EQUALS:
            unit = ", which counts steps; there it counts images" if name in COUNTS_IMAGES else ""
            raise UserError(f"{name} is a flag of the official PyTorch code: here it is {EQUALS[name]}{unit}")
        if name in OTHERWISE:
            raise UserError(f"{name} is a flag of the official PyTorch code: {OTHERWISE[name]}")
