"""Generators on a hub: pushed and loaded through the real huggingface_hub, from a server on this machine."""

import dataclasses
import socket
import sys
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import huggingface_hub
import jax
import numpy as np
import pytest
from huggingface_hub import constants
from PIL import Image

import cyclegan_jax
from cyclegan_jax import load_generator
from cyclegan_jax.cli import main as cli
from cyclegan_jax.errors import UserError
from cyclegan_jax.exchange import hub as hub_lib
from cyclegan_jax.exchange.hub import Address
from cyclegan_jax.inference.generator import Generator
from cyclegan_jax.networks import cyclegan, weights
from tests.conftest import tiny_config
from tests.helpers.fake_hub import Hub, Model, serving

# The library's own, in the upload of a large file.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload raw bytes:DeprecationWarning")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that huggingface_hub takes for the real one, with an empty cache and the token of user ann."""
    look_up, strangers = socket.getaddrinfo, []

    def local_only(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in ("127.0.0.1", "localhost"):
            strangers.append(host)
            raise socket.gaierror(f"a test must not reach the network: {host}")
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", local_only)
    with serving() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HF_TOKEN", "hf_writer")
        for name, value in {
            "ENDPOINT": running.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": running.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_TOKEN_PATH": str(tmp_path / "token"),
            "AGENT_HARNESSES_PATH": str(tmp_path / "agents.json"),
            "HF_HUB_DISABLE_XET": True,  # a protocol of its own; the hub takes plain uploads too
            "HF_HUB_OFFLINE": False,
        }.items():
            monkeypatch.setattr(constants, name, value, raising=False)
        huggingface_hub.close_session()
        yield running
        huggingface_hub.close_session()
        assert not running.unknown
        assert not strangers


@pytest.fixture(scope="module")
def generator() -> Generator:
    config = tiny_config()
    params = weights.params(cyclegan.make_generator(config, "BtoA", jax.random.key(0)))
    return Generator(config, "BtoA", 40, cyclegan.define_generator(config, "BtoA"), params)


def outputs(generator: Generator) -> np.ndarray:
    images = np.linspace(-1, 1, 8 * 12 * 3, dtype=np.float32).reshape(1, 8, 12, 3)
    return np.asarray(generator(images))


def test_what_is_pushed_is_what_loads(hub: Hub, generator: Generator) -> None:
    url = generator.push_to_hub("ann/zebras", scores={"fid_A": 12.5}, pictures={"samples.png": b"PNG"})
    model = hub.models["ann/zebras"]
    assert url == f"{hub.url}/ann/zebras/commit/{model.branches['main']}"
    files = model.commits[model.branches["main"]]
    assert set(files) == {".gitattributes", "README.md", "config.json", "model.safetensors", "samples.png"}
    card = files["README.md"]
    assert isinstance(card, bytes)
    for part in ("# zebras", 'load_generator("hf://ann/zebras")', "| fid_A | 12.5 |", "![samples](samples.png)"):
        assert part in card.decode()
    for loaded in (load_generator("hf://ann/zebras"), cyclegan_jax.from_pretrained("ann/zebras")):
        assert (loaded.direction, loaded.step, loaded.config) == ("BtoA", 40, generator.config)
        np.testing.assert_array_equal(outputs(loaded), outputs(generator))
    # Nothing but the two files that can run no code is fetched, and nothing again.
    assert set(hub.asked) == {"config.json", "model.safetensors"}
    del hub.asked[:]
    load_generator("hf://ann/zebras")
    assert hub.asked == ["config.json"]


def test_revisions_are_branches_and_commits(hub: Hub, generator: Generator) -> None:
    first = generator.push_to_hub("ann/zebras", commit_message="The first").rpartition("/")[2]
    later = dataclasses.replace(generator, step=80)
    later.push_to_hub("ann/zebras")
    dataclasses.replace(generator, step=90).push_to_hub("ann/zebras", revision="trial")
    dataclasses.replace(generator, step=91).push_to_hub("hf://ann/zebras@trial", private=True)
    for name, step in {"": 80, "@main": 80, f"@{first}": 40, "@trial": 91}.items():
        assert load_generator(f"hf://ann/zebras{name}").step == step
    assert cyclegan_jax.from_pretrained("ann/zebras", revision="trial").step == 91
    assert hub.models["ann/zebras"].messages[1:3] == ["The first", "CycleGAN generator BtoA, step 80"]
    assert not hub.models["ann/zebras"].private  # a model that exists stays what it is
    with pytest.raises(UserError, match="ann/zebras has no branch, tag or commit v9 on the hub: give another revision"):
        load_generator("hf://ann/zebras@v9")
    with pytest.raises(UserError, match="is a generator of direction BtoA, but direction is AtoB: leave direction out"):
        load_generator("hf://ann/zebras", "AtoB")


def test_the_commands_take_it(
    hub: Hub, generator: Generator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generator.save_pretrained(tmp_path / "model")
    export = ["export", "--run", str(tmp_path / "model"), "--output", str(tmp_path / "again"), "--push"]
    assert cli.main([*export, "zebras"]) == 2
    assert "'zebras' is no model of the hub: write USER/NAME" in capsys.readouterr().err
    assert cli.main([*export[:-1], "--private"]) == 2
    assert "--private says how --push makes a model: give --push USER/NAME too" in capsys.readouterr().err
    assert not (tmp_path / "again").exists()
    assert cli.main([*export, "ann/zebras", "--private"]) == 0
    assert f"pushed: {hub.url}/ann/zebras/commit/" in capsys.readouterr().out
    assert hub.models["ann/zebras"].private
    Image.new("RGB", (20, 12), "red").save(tmp_path / "red.png")
    translate = ["translate", "--input", str(tmp_path / "red.png"), "--output", str(tmp_path / "out"), "--run"]
    assert cli.main([*translate, "hf://ann/zebras", "--gallery"]) == 0
    with Image.open(tmp_path / "out" / "red.png") as picture:
        assert picture.size == (20, 12)
    assert "zebras BtoA" in (tmp_path / "out" / "gallery.html").read_text()
    assert cli.main([*translate, "hf://ann/none", "--overwrite"]) == 2
    assert "error: hf://ann/none does not exist, or your token gives no access to it" in capsys.readouterr().err


def test_what_was_loaded_once_loads_without_a_network(
    hub: Hub, generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator.push_to_hub("ann/zebras")
    load_generator("hf://ann/zebras")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.setenv("HF_ENDPOINT", gone)
    np.testing.assert_array_equal(outputs(load_generator("hf://ann/zebras")), outputs(generator))
    refused = rf"which cannot be reached \({gone}: .*refused\): connect to the network"
    advice = "or copy the folder of the model from where it is and give its path$"
    with pytest.raises(
        UserError,
        match=rf"^hf://ann/other is not in the cache of the hub, {refused}, {advice}",
    ):
        load_generator("hf://ann/other")
    with pytest.raises(
        UserError, match=rf"^hf://ann/other cannot be written, .*\({gone}: .*refused\): .*run this again$"
    ):
        generator.push_to_hub("ann/other")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert load_generator("hf://ann/zebras").step == 40
    for use in (lambda: load_generator("hf://ann/other"), lambda: generator.push_to_hub("ann/other")):
        with pytest.raises(UserError, match=r"hf://ann/other .* cannot be reached \(HF_HUB_OFFLINE is set\): connect"):
            use()


def test_models_of_others_need_a_token(hub: Hub, generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    generator.push_to_hub("ann/secret", private=True)
    generator.push_to_hub("ann/gated")
    hub.models["ann/gated"].gated = True
    conditions = (
        f"hf://ann/gated is for those who accept its conditions: accept them at {hub.url}/ann/gated, and log in"
    )
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    with pytest.raises(UserError, match="hf://ann/secret does not exist, or your token gives no access to it: check"):
        load_generator("hf://ann/secret")
    with pytest.raises(UserError, match=conditions):
        load_generator("hf://ann/gated")
    with pytest.raises(
        UserError, match=f"no right to do this with hf://ann/mine: make one .* {hub.url}/settings/tokens"
    ):
        generator.push_to_hub("ann/mine")
    monkeypatch.setenv("HF_TOKEN", "hf_forged")
    for use in (lambda: load_generator("hf://ann/secret"), lambda: generator.push_to_hub("ann/secret")):
        with pytest.raises(UserError, match="hf://ann/secret: the hub does not accept your token: log in anew with"):
            use()
    monkeypatch.delenv("HF_TOKEN")
    for name in ("secret", "none"):
        with pytest.raises(
            UserError, match=rf"{name} does not exist, or is private: check the name, or log in with `hf"
        ):
            load_generator(f"hf://ann/{name}")
    with pytest.raises(UserError, match=conditions):
        load_generator("hf://ann/gated")
    with pytest.raises(UserError, match="hf://ann/mine cannot be written without a token: log in with `hf auth login`"):
        generator.push_to_hub("ann/mine")
    assert set(hub.models) == {"ann/secret", "ann/gated"}


def test_a_model_that_is_not_ours_is_left_there(hub: Hub) -> None:
    hub.models |= {"ann/empty": Model(), "ann/bert": Model(), "ann/text": Model(), "ann/half": Model()}
    hub.models["ann/empty"].commit("main", {"pytorch_model.bin": b"pickle", "model.safetensors": b"x"})
    hub.models["ann/bert"].commit("main", {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"x"})
    hub.models["ann/text"].commit("main", {"config.json": b"[1", "model.safetensors": b"x"})
    hub.models["ann/half"].commit("main", {"config.json": b'{"model_type": "cyclegan-generator"}'})
    for name in ("empty", "half"):
        with pytest.raises(
            UserError, match=rf"{name} holds no generator of cyclegan-jax: it has no config.json and model"
        ):
            load_generator(f"hf://ann/{name}")
    for name in ("bert", "text"):
        with pytest.raises(UserError, match=rf"{name} holds no generator of cyclegan-jax: its config.json belongs to"):
            load_generator(f"hf://ann/{name}")
    assert hub.asked.count("model.safetensors") == 1  # of the half model, which has none


def test_damage_on_the_way_is_found(hub: Hub, generator: Generator) -> None:
    generator.push_to_hub("ann/zebras")
    model = hub.models["ann/zebras"]
    files = model.commits[model.branches["main"]]
    checksum = files["model.safetensors"]
    assert isinstance(checksum, str)
    hub.large["0" * 64] = hub.large[checksum][:-1] + b"\1"
    model.commit("main", {"model.safetensors": "0" * 64})
    with pytest.raises(UserError, match=r"is damaged .the array .* is not what was written"):
        load_generator("hf://ann/zebras")
    model.commit("main", {"model.safetensors": checksum, "config.json": b'{"model_type": "cyclegan-generator"}'})
    with pytest.raises(
        UserError, match=r"config.json does not belong to the model.safetensors beside it, or was edited"
    ):
        load_generator("hf://ann/zebras")


def test_a_hub_out_of_order_and_a_full_disk_are_named(
    hub: Hub, generator: Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.broken = HTTPStatus.IM_A_TEAPOT
    with pytest.raises(UserError, match=f"hf://ann/zebras: {hub.url} answered 418 I'm a Teapot: try again later"):
        generator.push_to_hub("ann/zebras")
    with pytest.raises(UserError, match=f"hf://ann/zebras: {hub.url} answered 418 I'm a Teapot: try again later"):
        load_generator("hf://ann/zebras")
    hub.broken, hub.full = None, True
    with pytest.raises(
        UserError, match=f"hf://ann/zebras: {hub.url} answered 507 Insufficient Storage: try again later"
    ):
        generator.push_to_hub("ann/zebras")
    assert hub.models["ann/zebras"].messages == ["initial commit"]
    hub.full = False
    generator.push_to_hub("ann/zebras")
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "file"))
    with pytest.raises(
        UserError, match=r"zebras cannot be stored in the cache of the hub \(.*\): set HF_HOME to another"
    ):
        load_generator("hf://ann/zebras")


def test_without_the_package_a_sentence_says_what_to_install(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    sentence = r"^hf://ann/a needs huggingface-hub, which is not installed: pip install 'cyclegan-jax\[hub\]'$"
    with pytest.raises(UserError, match=sentence):
        load_generator("hf://ann/a")
    with pytest.raises(UserError, match=sentence):
        generator.push_to_hub("ann/a")


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("ann/zebras", Address("ann/zebras")),
        ("hf://ann/zebras-2.1", Address("ann/zebras-2.1")),
        (str(Path("hf://ann/zebras@refs/pr/1")), Address("ann/zebras", "refs/pr/1")),
    ],
)
def test_addresses_are_read(text: str, model: Address) -> None:
    assert hub_lib.address(text) == model


@pytest.mark.parametrize(
    "text", ["zebras", "hf://zebras", "hf://a/b/c", "hf://", "../zebras/x", "a b/c", "a/b@", "a/b\n"]
)
def test_other_addresses_have_a_sentence(text: str) -> None:
    with pytest.raises(UserError) as refusal:
        hub_lib.address(text)
    sentence = f"{text!r} is no model of the hub: write USER/NAME, or hf://USER/NAME in the place of a path"
    assert str(refusal.value) == sentence


def test_an_address_that_was_a_path_is_shown_as_it_was_given() -> None:
    with pytest.raises(UserError, match=r"^'hf://zebras' is no model of the hub"):
        hub_lib.local(Path("hf://zebras"))


def test_two_revisions_are_refused() -> None:
    with pytest.raises(UserError, match="a/b@x has the revision x, but revision is y: leave one of them out"):
        hub_lib.address("a/b@x", "y")


def test_paths_are_no_addresses(tmp_path: Path, generator: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hub_lib.local(tmp_path) is tmp_path
    assert hub_lib.local("runs/photos") == "runs/photos"
    monkeypatch.chdir(tmp_path)
    generator.save_pretrained("ann/zebras")
    assert cyclegan_jax.from_pretrained("ann/zebras").step == 40
