"""`train.py` and `cyclegan-jax` as a user types them, mistakes included."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cyclegan_jax import config_dict
from cyclegan_jax.cli import main as cli
from cyclegan_jax.cli import official_flags
from cyclegan_jax.cli.train_command import load_config_file, parse_train
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.devices import backend
from cyclegan_jax.errors import UserError

ROOT = Path(__file__).parents[2]
STREETS = str(ROOT / "configs" / "streets.py")


FIELDS = config_dict.fields(TrainConfig())


def test_every_named_flag_reaches_its_field():
    flags = {
        "data.dir": "photos",
        "data.image_size": 96,
        "data.load_size": 100,
        "data.labels": "B",
        "batch_size": 2,
        "steps": 5,
        "seed": 7,
        "generator.blocks": 3,
        "generator.width": 16,
        "generator.upsample": "resize",
        "discriminator.kind": "pytorch_gan",
        "loss.identity_weight": 0.25,
        "pool_size": 9,
        "dtype": "bfloat16",
        "parallel": "pmap",
    }
    config, workdir, _ = parse_train(["--config", STREETS, *(f"--{name}={value}" for name, value in flags.items())])
    assert workdir == Path("runs/streets")
    for name, value in flags.items():
        found = config
        for part in name.split("."):
            found = getattr(found, part)
        assert found == value, name


def test_hyphens_none_booleans_and_workdir():
    config, workdir, _ = parse_train(
        [
            f"--config={STREETS}",
            "--workdir=elsewhere",
            "--data.image-size=32",
            "--data.labels=None",
            "--data.flip=False",
        ]
    )
    assert (config.data.image_size, config.data.labels, config.data.flip) == (32, None, False)
    assert workdir == Path("elsewhere")


@pytest.mark.parametrize("name", ["streets", "cityscapes", "pytorch_gan"])
def test_every_config_file_loads(name):
    load_config_file(ROOT / "configs" / f"{name}.py")


def test_cityscapes_is_the_papers_experiment():
    config = load_config_file(ROOT / "configs" / "cityscapes.py")
    assert (config.data.image_size, config.data.resolved_load_size, config.generator.blocks) == (128, 143, 6)
    assert (config.loss.identity_weight, config.pool_size, config.batch_size) == (0.0, 50, 1)
    assert (config.optimizer.constant_epochs, config.optimizer.decay_epochs) == (100, 100)


def stopped(capsys, *args: str) -> tuple[int, str]:
    """Exit status and standard error of `train.py` with these arguments."""
    try:
        status = cli.train(args)
    except SystemExit as exit_:
        status = int(exit_.code or 0)
    return status, capsys.readouterr().err


def test_a_typo_gets_the_nearest_name(capsys):
    status, said = stopped(capsys, "--config", STREETS, "--data.image_sze=64")
    assert status == 2
    assert "--data.image" in said.replace("\n", "")


@pytest.mark.parametrize("flag", official_flags.EQUALS)
def test_a_flag_of_the_official_code_gets_its_equal(capsys, flag):
    status, said = stopped(capsys, "--config", STREETS, f"{flag}=3")
    equal = official_flags.EQUALS[flag]
    assert (status, said) == (2, f"error: {flag} is a flag of the official PyTorch code: here it is {equal}\n")
    field = equal.removeprefix("--").partition("=")[0]
    assert field == "workdir" or field in FIELDS
    assert f"`{flag}" in (ROOT / "docs" / "coming_from_pytorch.md").read_text()


def test_a_flag_of_the_official_code_that_is_not_needed(capsys):
    status, said = stopped(capsys, "--dataset_mode", "unaligned", "--config", STREETS)
    assert status == 2
    assert said.endswith("leave it out: --data.source says what the data is\n")


def test_the_flags_that_the_documents_show_are_taken():
    text = "".join(path.read_text() for path in (ROOT / "README.md", ROOT / "docs" / "coming_from_pytorch.md"))
    shown = {flag for flag in re.findall(r"`(--[\w.]+=[^` ,]+)`", text) if flag.split("=")[0][2:] in FIELDS}
    assert {"--remat=True", "--batch_size=8", "--data.cache_gib=4"} <= shown
    for flag in shown:
        parse_train(["--config", str(ROOT / "configs" / "horse2zebra.py"), flag])


def test_a_wrong_value_is_refused_by_its_field(capsys):
    status, said = stopped(capsys, "--config", STREETS, "--batch_size=0")
    assert status == 2
    assert "batch_size is 0, but it must be at least 1" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no config file"),
        ("def other(): pass", "has no function get_config()"),
        ("def get_config(): return 3", "returns a int, but it must return a TrainConfig"),
        ("import nothing_of_this_name", "does not run: ModuleNotFoundError"),
        ("def get_config(): 1 / 0", "does not run: ZeroDivisionError"),
        ("def get_config(:", "does not run: SyntaxError"),
        (
            "from cyclegan_jax.config import TrainConfig\ndef get_config(): return TrainConfig(batch_size=0)",
            "is refused: batch_size is 0",
        ),
    ],
)
def test_a_broken_config_file_gets_a_sentence(capsys, tmp_path, content, said):
    path = tmp_path / "experiment.py"
    if content is not None:
        path.write_text(content)
    status, error = stopped(capsys, "--config", str(path))
    assert status == 2
    assert error.startswith("error: ")
    assert said in error
    assert error.count("\n") == 1


def test_no_config_and_no_data(capsys):
    status, said = stopped(capsys)
    assert (status, said.count("\n")) == (2, 1)
    assert "--config configs/streets.py" in said
    status, said = stopped(capsys, "--config", str(ROOT / "configs" / "cityscapes.py"), "--data.image_size=32")
    assert (status, said.count("\n")) == (2, 1)
    assert "--data.dir" in said
    status, said = stopped(capsys, "--config", str(ROOT / "configs" / "cityscapes.py"), "--data.dir=nowhere")
    assert (status, said.count("\n")) == (2, 1)
    assert "nowhere" in said
    assert "gtFine_trainvaltest.zip" in said


def test_help_documents_the_fields(capsys):
    with pytest.raises(SystemExit) as exit_:
        parse_train(["--config", STREETS, "--help"])
    assert exit_.value.code == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "--data.image-size" in said or "--data.image_size" in said
    assert "Height and width in pixels of the square crop" in said


def test_evaluate_of_a_folder_that_is_no_run(capsys, tmp_path):
    assert cli.main(["evaluate", "--run", str(tmp_path)]) == 2
    assert "holds no checkpoint" in capsys.readouterr().err


def test_xla_flags_are_the_entry_points_business():
    mine = {"XLA_FLAGS": "--xla_dump_to=somewhere"}
    backend.prepare(mine, jaxlib_version="0.10.2")
    assert mine["XLA_FLAGS"] == f"--xla_dump_to=somewhere {backend.CPU_FUSION_FLAG}=LIBRARY_FUSION_TYPE_REDUCE"
    before = dict(mine)
    backend.prepare(mine, jaxlib_version="0.10.2")
    assert mine == before
    set_by_user = {"XLA_FLAGS": f"{backend.CPU_FUSION_FLAG}=LIBRARY_FUSION_TYPE_DOT"}
    backend.prepare(set_by_user, jaxlib_version="0.10.2")
    assert set_by_user == {"XLA_FLAGS": f"{backend.CPU_FUSION_FLAG}=LIBRARY_FUSION_TYPE_DOT"}
    other = {}
    backend.prepare(other, jaxlib_version="0.11.2")
    assert other == {}


def test_where_compiled_programs_are_kept(tmp_path):
    mine = {"HOME": str(tmp_path)}
    backend.keep_compiled_programs(mine)
    folder = Path(mine["JAX_COMPILATION_CACHE_DIR"])
    assert folder.is_dir()
    assert folder.parent == tmp_path / ".cache" / "cyclegan-jax" / "compiled"
    assert int(mine["JAX_COMPILATION_CACHE_MAX_SIZE"]) == backend.CACHE_BYTES
    elsewhere = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    backend.keep_compiled_programs(elsewhere)
    assert elsewhere["JAX_COMPILATION_CACHE_DIR"].startswith(str(tmp_path / "cache"))
    set_by_user = {"HOME": str(tmp_path), "JAX_COMPILATION_CACHE_DIR": "mine"}
    backend.keep_compiled_programs(set_by_user)
    assert set_by_user == {"HOME": str(tmp_path), "JAX_COMPILATION_CACHE_DIR": "mine"}
    (tmp_path / "file").write_text("")
    nowhere = {"XDG_CACHE_HOME": str(tmp_path / "file")}
    backend.keep_compiled_programs(nowhere)
    assert nowhere == {"XDG_CACHE_HOME": str(tmp_path / "file")}


def test_the_installed_jaxlib_takes_the_flags_and_importing_sets_none():
    code = (
        "import os; os.environ.pop('XLA_FLAGS', None); import cyclegan_jax, cyclegan_jax.training; "
        "assert 'XLA_FLAGS' not in os.environ; import cyclegan_jax.devices.backend as b; b.prepare(); import jax; "
        "print(float(jax.numpy.ones(3).sum()))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=dict(os.environ), cwd=ROOT
    )
    assert result.stdout.strip() == "3.0", result.stderr


def test_load_config_file_refuses_a_name_without_py(tmp_path):
    path = tmp_path / "experiment.txt"
    path.write_text("")
    with pytest.raises(UserError, match=r"must end in \.py"):
        load_config_file(path)
