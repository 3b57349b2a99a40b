"""Flags of the official PyTorch code get a true sentence: the flag that does the same, or that there is none."""

import inspect
import re
from pathlib import Path

import pytest

from cyclegan_jax import config_dict
from cyclegan_jax.cli import main as cli
from cyclegan_jax.cli import official_flags
from cyclegan_jax.cli.evaluate import evaluate
from cyclegan_jax.cli.translate import translate
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.errors import UserError

ROOT = Path(__file__).parents[2]
TRAINING_FLAGS = {f"--{name}" for name in (*config_dict.fields(TrainConfig()), "workdir", "config")}
TESTING_FLAGS = {f"--{name}" for command in (translate, evaluate) for name in inspect.signature(command).parameters}
COMMANDS = re.compile(r"--(?:distributed|logdir)\b")
# All training options there, from the first version to 2025, but --batch_size, --pool_size and --init_gain, which are
# the same here.
OFFICIAL = [
    "dataroot",
    "name",
    "gpu_ids",
    "checkpoints_dir",
    "model",
    "input_nc",
    "output_nc",
    "ngf",
    "ndf",
    "netD",
    "netG",
    "n_layers_D",
    "norm",
    "init_type",
    "no_dropout",
    "dataset_mode",
    "direction",
    "serial_batches",
    "num_threads",
    "load_size",
    "crop_size",
    "max_dataset_size",
    "preprocess",
    "no_flip",
    "display_winsize",
    "epoch",
    "load_iter",
    "verbose",
    "suffix",
    "use_wandb",
    "wandb_project_name",
    "display_freq",
    "display_ncols",
    "display_id",
    "display_server",
    "display_env",
    "display_port",
    "update_html_freq",
    "print_freq",
    "no_html",
    "save_latest_freq",
    "save_epoch_freq",
    "save_by_iter",
    "continue_train",
    "epoch_count",
    "phase",
    "n_epochs",
    "n_epochs_decay",
    "beta1",
    "lr",
    "gan_mode",
    "lr_policy",
    "lr_decay_iters",
    "lambda_A",
    "lambda_B",
    "lambda_identity",
    "model_suffix",
    "niter",
    "niter_decay",
    "loadSize",
    "fineSize",
    "resize_or_crop",
    "nThreads",
    "which_direction",
    "which_model_netG",
    "which_model_netD",
    "identity",
    "no_antialias",
    "no_antialias_up",
]


def message(flag: str, *value: str) -> str:
    with pytest.raises(UserError) as refused:
        official_flags.check_training([f"--{flag}", *value])
    return str(refused.value)


@pytest.mark.parametrize("flag", OFFICIAL)
def test_every_official_training_flag_is_known(flag: str) -> None:
    text = message(flag, "3")
    assert "is a flag of the official PyTorch code: " in text
    # Whatever flag of ours the sentence names exists.
    named = set(re.findall(r"--[\w.]+", COMMANDS.sub("", text.partition(": ")[2])))
    assert named <= TRAINING_FLAGS | {"--init_from", "--direction"}, named


@pytest.mark.parametrize(
    ("flag", "value", "advice"),
    [
        ("netG", "resnet_6blocks", "here it is --generator.blocks=6"),
        ("netG", "unet_128", "here it is --generator.kind=unet with --generator.depth=7"),
        ("netG", "stylegan2", "this is not here"),
        ("netD", "n_layers", "here it is --discriminator.kind=n_layers"),
        ("netD", "pixel", "here it is --discriminator.kind=pixel"),
        ("netD", "stylegan2", "this is not here"),
        ("preprocess", "scale_width", "here it is --data.preprocess"),
        ("preprocess", "scale_shortside_and_crop", "here it is --data.preprocess=scale_shorter_and_crop"),
        ("norm", "batch", "here it is --generator.norm=batch with --discriminator.norm=batch"),
        ("norm", "group", "this is not here"),
        ("norm", "instance", "leave it out"),
        ("gan_mode", "vanilla", "here it is --loss.gan=vanilla"),
        (
            "gan_mode",
            "wgangp",
            "here it is --loss.gan=wgangp with --loss.gradient_penalty=none, as in the official code",
        ),
        ("gan_mode", "nonsaturating", "here it is --loss.gan=vanilla"),
        ("gan_mode", "wgan", "this is not here"),
        ("lr_policy", "linear", "leave it out"),
        ("lr_policy", "step", "here it is --optimizer.schedule=step"),
        ("lr_policy", "cosine", "here it is --optimizer.schedule=cosine with --optimizer.constant_epochs=0"),
        ("lr_policy", "plateau", "here it is --optimizer.schedule=plateau with --eval_every"),
        ("lr_policy", "lambda", "this is not here: see --optimizer.schedule"),
        ("init_type", "xavier", "here it is --init=xavier"),
        ("init_type", "zeros", "this is not here"),
    ],
)
def test_the_answer_depends_on_the_value(flag: str, value: str, advice: str) -> None:
    assert advice in message(flag, value)
    assert message(flag, value) == message(f"{flag}={value}")


def test_the_documents_list_the_flags_that_have_an_equal() -> None:
    page = (ROOT / "docs" / "coming_from_pytorch.md").read_text()
    for flag, answer in official_flags.TRAINING.items():
        assert not isinstance(answer, official_flags.Here) or f"`{flag}" in page, flag


@pytest.mark.parametrize("command", ["translate", "evaluate"])
@pytest.mark.parametrize("flag", official_flags.TESTING)
def test_official_test_flags(capsys: pytest.CaptureFixture[str], command: str, flag: str) -> None:
    own = inspect.signature(translate if command == "translate" else evaluate).parameters
    if flag[2:] in own:
        official_flags.check_testing([flag, "3"], frozenset({flag}))
        return
    assert cli.main([command, flag, "3"]) == 2
    printed = capsys.readouterr().err
    assert printed == f"error: {flag} is a flag of the official PyTorch code: {official_flags.TESTING[flag]}\n"
    named = set(re.findall(r"--[\w.]+", printed.partition(": ")[2].partition(": ")[2]))
    assert named <= TESTING_FLAGS, named


def test_all_official_flags_of_a_command_are_named() -> None:
    with pytest.raises(UserError) as refused:
        official_flags.check_training(
            ["--dataroot", "x", "--steps=3", "--netG", "unet_256", "--no_flip", "--niter", "5"]
        )
    assert str(refused.value) == (
        "4 of the flags are those of the official PyTorch code: --dataroot: here it is --data.dir; --netG unet_256: "
        f"{official_flags.BY_VALUE['--netG']['unet_256']}; --no_flip: here it is --data.flip=False; "
        "--n_epochs: here it is --optimizer.constant_epochs"
    )
    with pytest.raises(UserError, match=r"2 of the flags .*: --epoch: .*; --eval: "):
        official_flags.check_testing(["--epoch", "5", "--eval"], frozenset())


def test_our_own_flags_pass() -> None:
    official_flags.check_training([f"{flag}=3" for flag in TRAINING_FLAGS])
