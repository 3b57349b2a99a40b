"""The command line of `train.py`, mistakes included."""

import re
from pathlib import Path

import pytest

from cyclegan_jax import config_dict
from cyclegan_jax.cli import main as cli
from cyclegan_jax.cli.train import parse
from cyclegan_jax.config import TrainConfig

ROOT = Path(__file__).parents[2]
STREETS = str(ROOT / "configs" / "streets.py")


FIELDS = config_dict.fields(TrainConfig())


def test_every_named_flag_reaches_its_field() -> None:
    flags = {
        "data.dir": "photos",
        "data.image_size": 96,
        "data.load_size": "100x120",
        "data.labels": "B",
        "batch_size": 2,
        "steps": 5,
        "seed": 7,
        "generator.blocks": 3,
        "generator.width": 16,
        "generator.upsample": "resize",
        "discriminator.kind": "pytorch_gan",
        "loss.identity_weight": 0.25,
        "loss.gan": "hinge",
        "loss.gradient_penalty": "r1",
        "discriminator.augment": "color,translation,cutout",
        "pool_size": 9,
        "dtype": "bfloat16",
        "parallel": "pmap",
    }
    command = parse(["--config", STREETS, *(f"--{name}={value}" for name, value in flags.items())])
    for name, value in flags.items():
        found: object = command.config
        for part in name.split("."):
            found = getattr(found, part)
        assert found == value, name


def test_steps_may_be_epochs(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--checkpoint_every=5epochs", "--log_every", "0.5epochs", "--sample_every=7", "--steps=200epochs"]
    config = parse(["--config", STREETS, *flags]).config
    found = (config.checkpoint_every, config.log_every, config.sample_every, config.steps)
    assert found == ("5epochs", "0.5epochs", 7, "200epochs")
    assert parse(["--config", STREETS, "--steps=None"]).config.steps is None
    for flag, need in (
        (
            "--log_every=5 epochs",
            "log_every is '5 epochs', but it must be a number of steps, such as 5000, or of epochs",
        ),
        ("--snapshot_every=often", "snapshot_every is 'often', but it must be a number of steps"),
        ("--steps=0", "steps is 0, but it must be at least 1"),
        ("--stop_after=3", "stop_after is 3 evaluations, but eval_every is 0 and there are none: set eval_every"),
        ("--init_step=epoch:3", "init_step is 'epoch:3', but init_from is None: give the run to start from"),
    ):
        status, printed = stopped(capsys, "--config", STREETS, flag)
        assert (status, printed.count("\n")) == (2, 1)
        assert need in printed


def test_a_config_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "horse2zebra").mkdir()  # a folder is not a config file
    for name in ("streets", "horse2zebra"):
        command = parse([f"--config={name}"])
        assert command == parse(["--config", str(ROOT / "configs" / f"{name}.py")])
        assert command.workdir == Path("runs") / name


def test_the_page_of_a_run_gets_the_command_as_it_can_be_pasted() -> None:
    words = parse(["--config", "streets", "--workdir", "my runs/a"], "cyclegan-jax train").words
    assert words == "cyclegan-jax train --config streets --workdir 'my runs/a'"


def test_an_unknown_name_lists_the_configs(capsys: pytest.CaptureFixture[str]) -> None:
    status, printed = stopped(capsys, "--config=street")
    assert (status, printed.count("\n")) == (2, 1)
    assert "there is no config file street" in printed
    assert "or a name: apple2orange, cezanne2photo, " in printed


def test_hyphens_none_booleans_and_workdir() -> None:
    command = parse(
        [
            f"--config={STREETS}",
            "--workdir=elsewhere",
            "--data.image-size=32",
            "--data.labels=None",
            "--data.load_size=None",
            "--data.flip=False",
        ]
    )
    data = command.config.data
    assert (data.image_size, data.load_size, data.labels, data.flip) == (32, None, None, False)
    assert command.workdir == Path("elsewhere")


def stopped(capsys, *args: str) -> tuple[int, str]:
    """Exit status and standard error of `train.py` with these arguments."""
    try:
        status = cli.train(args)
    except SystemExit as exit_:
        status = int(exit_.code or 0)
    return status, capsys.readouterr().err


def test_a_typo_gets_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    status, printed = stopped(capsys, "--config", STREETS, "--data.image_sze=64")
    assert status == 2
    assert "--data.image" in printed.replace("\n", "")


def test_flags_shown_in_the_documents_are_valid() -> None:
    text = "".join(path.read_text() for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")))
    shown = {flag for flag in re.findall(r"`(--[\w.]+=[^` ,]+)`", text) if flag.split("=")[0][2:] in FIELDS}
    assert {"--remat=True", "--batch_size=8", "--data.cache_gib=4"} <= shown
    needed = {"--data.palette": ["--data.labels=A"], "--optimizer.schedule=plateau": ["--eval_every=1epoch"]}
    for flag in shown:
        others = [other for start, flags in needed.items() if flag.startswith(start) for other in flags]
        parse(["--config", str(ROOT / "configs" / "horse2zebra.py"), flag, *others])


def test_a_wrong_value_is_reported_with_its_field(capsys: pytest.CaptureFixture[str]) -> None:
    status, printed = stopped(capsys, "--config", STREETS, "--batch_size=0")
    assert status == 2
    assert "batch_size is 0, but it must be at least 1" in printed
    status, printed = stopped(capsys, "--config", STREETS, "--data.image_size=32*64")
    assert (status, printed.count("\n")) == (2, 1)
    assert "data.image_size is '32*64', but it must be an integer, or height x width such as 256x512" in printed


def test_no_config_and_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    status, printed = stopped(capsys)
    assert (status, printed.count("\n")) == (2, 1)
    assert "--config configs/streets.py" in printed
    status, printed = stopped(capsys, "--config", str(ROOT / "configs" / "cityscapes.py"), "--data.image_size=32")
    assert (status, printed.count("\n")) == (2, 1)
    assert "--data.dir" in printed
    status, printed = stopped(capsys, "--config", str(ROOT / "configs" / "cityscapes.py"), "--data.dir=nowhere")
    assert (status, printed.count("\n")) == (2, 1)
    assert "nowhere" in printed
    assert "gtFine_trainvaltest.zip" in printed


def test_help_documents_the_fields(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(["--config", STREETS, "--help"])
    assert exit_.value.code == 0
    printed = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "--data.image-size" in printed or "--data.image_size" in printed
    assert "Height and width in pixels of the training crop" in printed
