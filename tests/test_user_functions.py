"""Functions by name, and names that cannot be loaded."""

import pytest

from cyclegan_jax.errors import UserError
from cyclegan_jax.user_functions import load_function


def test_a_function_of_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "models_of_mine.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.chdir(tmp_path)
    assert load_function("models_of_mine:double", "--features")(4) == 8
    assert load_function("math:sqrt", "--features")(9) == 3


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("numpy", "must be module:function"),
        ("models/mine.py:f", "must be module:function"),
        ("numpy:", "must be module:function"),
        ("nothing_of_this_name:f", r"cannot be imported \(ModuleNotFoundError"),
        ("broken_one:f", r"cannot be imported \(ZeroDivisionError"),
        ("math:squareroot", "math has no function squareroot"),
        ("math:pi", "math has no function pi"),
    ],
)
def test_names_that_cannot_be_loaded(spec, message, tmp_path, monkeypatch):
    (tmp_path / "broken_one.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UserError, match=rf"--features is '{spec}', but .*{message}|--features is '{spec}', but it {message}"
    ):
        load_function(spec, "--features")
