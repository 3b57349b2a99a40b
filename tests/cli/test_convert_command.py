"""Commands of the official code become commands that this package takes, with the values that they had."""

import dataclasses
import shlex
from pathlib import Path

import pytest

from configs.folders import get_config
from cyclegan_jax.cli import main as cli
from cyclegan_jax.cli.convert_command import convert
from cyclegan_jax.cli.train import TrainCommand, parse
from cyclegan_jax.data_config import DataConfig
from cyclegan_jax.errors import UserError


def trained(command: str) -> TrainCommand:
    """What the training command here makes of the converted command."""
    (words,) = convert(command).commands
    assert words[:2] == ["cyclegan-jax", "train"]
    return parse(words[2:])


def test_a_command_with_defaults_is_the_config_of_the_official_code() -> None:
    found = trained("python train.py --dataroot ./photos --name maps --model cycle_gan --no_dropout --pool_size 50")
    expected = get_config()
    assert found.config == dataclasses.replace(expected, data=dataclasses.replace(expected.data, dir="./photos"))
    assert str(found.workdir) == "runs/maps"


def test_the_values_arrive_in_the_config() -> None:
    config = trained(
        "python3 -u code/train.py --dataroot 'my photos' --netG unet_128 --netD pixel --norm batch --init_type xavier "
        "--lr 1e-4 --beta1=0.9 --n_epochs 5 --niter_decay 7 --lambda_A 3 --identity 0 --ngf 32 --ndf 16 "
        "--crop_size 128 --loadSize 143 --no_flip --input_nc 1 --output_nc 4 --batch_size 4 "
        "--print_freq 100 --save_latest_freq 5000"
    ).config
    assert config.data.dir == "my photos"
    assert (config.generator.kind, config.generator.depth, config.generator.norm) == ("unet", 7, "batch")
    assert (config.discriminator.kind, config.discriminator.norm) == ("pixel", "batch")
    assert (config.generator.width, config.discriminator.width, config.init) == (32, 16, "xavier")
    assert (config.optimizer.learning_rate, config.optimizer.beta1) == (1e-4, 0.9)
    assert (config.optimizer.constant_epochs, config.optimizer.decay_epochs) == (5, 7)
    assert (config.loss.cycle_weight_A, config.loss.identity_weight) == (3.0, 0.0)
    assert (config.data.image_size, config.data.load_size, config.data.flip) == (128, 143, False)
    assert (config.data.channels_A, config.data.channels_B) == (1, 4)
    # Images there are steps here.
    assert (config.batch_size, config.log_every, config.checkpoint_every) == (4, 25, 1250)


def test_direction_exchanges_the_folders() -> None:
    data = trained("python train.py --dataroot photos --direction BtoA").config.data
    assert (data.train_A, data.train_B, data.test_A, data.test_B) == (
        "photos/trainB",
        "photos/trainA",
        "photos/testB",
        "photos/testA",
    )


def test_a_cosine_goes_over_the_first_epochs() -> None:
    """Whatever the order of the flags."""
    for flags in ("--n_epochs 50 --n_epochs_decay 7 --lr_policy cosine", "--lr_policy cosine --n_epochs 50"):
        chosen = trained(f"python train.py --dataroot x {flags}").config.optimizer
        assert (chosen.schedule, chosen.constant_epochs, chosen.decay_epochs) == ("cosine", 0, 50)
        (note,) = convert(f"python train.py --dataroot x {flags}").notes
        assert note.endswith("there the rate rises again in these epochs; here the run ends")


def test_what_came_with_later_features() -> None:
    config = trained(
        "python train.py --dataroot x --gan_mode wgangp --lr_policy step --lr_decay_iters 30 --save_epoch_freq 5 "
        "--max_dataset_size 200 --serial_batches --use_wandb --wandb_project_name mine "
        "--preprocess scale_width_and_crop"
    ).config
    assert (config.loss.gan, config.optimizer.schedule, config.optimizer.step_epochs) == ("wgangp", "step", 30)
    assert (config.snapshot_every, config.data.max_images, config.data.shuffle) == ("5epochs", 200, False)
    assert (config.wandb, config.data.preprocess) == ("mine", "scale_width_and_crop")
    assert trained("python train.py --dataroot x --max_dataset_size inf").config.data.max_images is None


def test_what_has_no_effect_there_has_none_here() -> None:
    """A patch discriminator other than n_layers has three layers there, and threads may be none."""
    config = trained(
        "python train.py --dataroot x --n_layers_D 5 --num_threads 0 --gan_mode wgangp --norm batch"
    ).config
    assert (config.discriminator.n_layers, config.data.threads) == (3, DataConfig().threads)
    assert (config.loss.gan, config.loss.penalty) == ("wgangp", "none")
    assert trained("python train.py --dataroot x --netD n_layers --n_layers_D 5").config.discriminator.n_layers == 5


def test_test_folders_that_are_not_there_are_not_named(tmp_path: Path) -> None:
    for split in ("trainA", "trainB", "testA"):
        (tmp_path / split).mkdir()
    data = trained(f"python train.py --dataroot {tmp_path} --direction BtoA").config.data
    assert (data.train_A, data.test_A) == (str(tmp_path / "trainB"), None)
    assert data.test_B == str(tmp_path / "testA")


def test_processes_and_devices() -> None:
    assert trained("torchrun --nproc_per_node=4 train.py --dataroot x --batch_size 2").config.batch_size == 8
    assert convert("python train.py --dataroot x --gpu_ids 0,1").commands[0][0] == "CUDA_VISIBLE_DEVICES=0,1"
    assert convert("python train.py --dataroot x --gpu_ids -1").commands[0][0] == "JAX_PLATFORMS=cpu"
    assert convert("A=1 python train.py --dataroot x").commands[0][:2] == ["A=1", "cyclegan-jax"]


def test_lines_that_end_with_a_backslash() -> None:
    assert trained("python train.py \\\n  --dataroot x \\\n  --ngf 8").config.generator.width == 8


def test_what_needs_no_flag_is_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["convert-command", "python train.py --dataroot 'a b' --no_html --continue_train --name x"]) == 0
    printed = capsys.readouterr()
    assert printed.out == "cyclegan-jax train --config folders --workdir=runs/x --data.dir='a b'\n"
    assert shlex.split(printed.out)[-1] == "--data.dir=a b"
    assert "# --no_html: leave it out: " in printed.err
    assert "cyclegan-jax import checkpoints/x --workdir runs/x" in printed.err


def test_a_test_command_imports_and_translates() -> None:
    found = convert("python test.py --dataroot h/testB --name h2z --model test --model_suffix _B --eval --epoch 20")
    assert found.commands == [
        ["cyclegan-jax", "import", "checkpoints/h2z", "--workdir=runs/h2z", "--epoch=20"],
        [
            *("cyclegan-jax", "translate", "--run=runs/h2z", "--direction=BtoA", "--input=h/testB"),
            "--output=results/h2z",
        ],
    ]
    assert [note.partition(":")[0] for note in found.notes] == ["--eval"]
    lone = convert("python test.py --dataroot h --checkpoints_dir ./w --name h2z --results_dir out")
    assert lone.commands[0] == ["cyclegan-jax", "import", "w/h2z", "--workdir=runs/h2z", "--direction=AtoB"]
    assert lone.commands[1][-1] == "--output=out/h2z"


def test_a_test_command_of_both_directions_evaluates() -> None:
    found = convert("python test.py --dataroot h --name h2z --model cycle_gan --num_test 5")
    assert found.commands[1] == ["cyclegan-jax", "evaluate", "--run=runs/h2z", "--data_dir=h", "--images=5"]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("ls -l", "'ls -l' is no command of the official code: it runs neither train.py nor test.py"),
        ("python train.py --dataroot 'x", "the command cannot be read .*: put single quotes around it"),
        ("python train.py --name x", "--dataroot is missing"),
        ("python test.py --name x", "--dataroot is missing"),
        ("python train.py --dataroot", "--dataroot has no value"),
        ("python train.py --dataroot x --foo 3", "--foo is no flag of the official code's train.py"),
        ("python test.py --dataroot x --lr 3", "--lr is no flag of the official code's test.py"),
        ("python train.py --dataroot x y", "y is not a flag"),
        ("python train.py --dataroot x --model pix2pix", "--model is pix2pix, but this package has cycle_gan only"),
        ("python train.py --dataroot x --dataset_mode aligned", "--dataset_mode is aligned"),
        ("python train.py --dataroot x --batch_size 0", "--batch_size is 0, but it must be a number of 1 or more"),
        ("python train.py --dataroot x --print_freq ten", "--print_freq is ten, but it must be a number"),
    ],
)
def test_what_cannot_be_converted(command: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        convert(command)
