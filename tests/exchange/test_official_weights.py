"""The official weights by name, from a server on this machine."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cyclegan_jax import files
from cyclegan_jax.data.sets import paper_sets
from cyclegan_jax.errors import UserError
from cyclegan_jax.exchange import official_weights
from tests.helpers.file_server import Server, serving

WEIGHTS = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + bytes(range(256)) * 125_000
"""As large as weights and begun like them: 32 MB."""


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        running.content, running.etag = WEIGHTS, '"1"'
        yield running


def kept(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if files.is_file(path)]


def test_the_names_are_those_of_the_official_script() -> None:
    names = (
        "apple2orange, orange2apple, summer2winter_yosemite, winter2summer_yosemite, horse2zebra, zebra2horse, "
        "monet2photo, style_monet, style_cezanne, style_ukiyoe, style_vangogh, sat2map, map2sat, "
        "cityscapes_photo2label, cityscapes_label2photo, facades_photo2label, facades_label2photo, iphone2dslr_flower"
    )
    assert ", ".join(official_weights.MODELS) == names
    assert {model.data_set for model in official_weights.MODELS.values()} == {*paper_sets.NAMES, "cityscapes"}


def test_two_models_of_a_data_set_are_its_two_directions() -> None:
    models = official_weights.MODELS
    pairs = [
        (one, other)
        for one in models.values()
        for other in models.values()
        if one.data_set == other.data_set and one.name < other.name
    ]
    assert len(pairs) == 7
    for one, other in pairs:
        assert one.subjects == other.subjects
        assert (one.source, one.direction) == (other.target, "BtoA" if other.direction == "AtoB" else "AtoB")
    assert models["horse2zebra"].subjects == models["zebra2horse"].subjects == ("horses", "zebras")
    assert models["style_vangogh"].subjects == ("paintings by Van Gogh", "photos")


def test_a_file_is_downloaded_once_to_where_the_script_puts_it(server: Server, tmp_path: Path) -> None:
    path = official_weights.fetch("horse2zebra", tmp_path / "checkpoints", server.folder)
    assert path == tmp_path / "checkpoints" / "horse2zebra_pretrained" / "latest_net_G.pth"
    assert path.read_bytes() == WEIGHTS
    assert server.asked == [None]
    assert kept(tmp_path) == ["latest_net_G.pth"]
    # The second time no server is needed.
    assert official_weights.fetch("horse2zebra", tmp_path / "checkpoints", "http://127.0.0.1:1") == path


def test_an_interrupted_download_is_resumed_by_the_next_one(server: Server, tmp_path: Path) -> None:
    server.breaks, server.ranges = 1000, False
    with pytest.raises(UserError, match="closed early"):
        official_weights.fetch("style_monet", tmp_path, server.folder)
    assert "latest_net_G.pth" not in kept(tmp_path)
    server.breaks, server.ranges = 0, True
    assert official_weights.fetch("style_monet", tmp_path, server.folder).read_bytes() == WEIGHTS
    assert server.asked[-1] == f"bytes={len(WEIGHTS) // 2}-"
    assert kept(tmp_path) == ["latest_net_G.pth"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<html>moved</html>", r"sat2map\.pth has 18 bytes, but a generator has 31 to 60 MB, so that this is another"),
        (b"PK\x03\x04" + bytes(61_000_000), "has 61,000,004 bytes, but a generator has 31 to 60 MB"),
        (
            b"<html>" + bytes(32_000_000),
            "is not the file that was published there: it is of another kind, as it begins with b'<html>",
        ),
    ],
    ids=["short", "long", "a page"],  # pytest would make names of 200 MB of the contents
)
def test_something_else_is_not_kept(server: Server, tmp_path: Path, content: bytes, sentence: str) -> None:
    server.content = content
    with pytest.raises(UserError, match=rf"{sentence}.* at {tmp_path}/sat2map_pretrained/latest_net_G\.pth, or give"):
        official_weights.fetch("sat2map", tmp_path, server.folder)
    assert kept(tmp_path) == []


def test_without_a_network_the_sentence_says_where_to_put_the_file(server: Server, tmp_path: Path) -> None:
    by_hand = (
        rf"put that file at {tmp_path}/zebra2horse_pretrained/latest_net_G\.pth, or give the file itself: cyclegan-jax "
        "import FILE --direction BtoA$"
    )
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    with pytest.raises(UserError, match=rf"^{url}/zebra2horse\.pth cannot be downloaded \(.*refused.*\): .*{by_hand}"):
        official_weights.fetch("zebra2horse", tmp_path, url)
    server.status = 404
    with pytest.raises(UserError, match=rf"\(HTTP 404 Not Found\): .*{by_hand}"):
        official_weights.fetch("zebra2horse", tmp_path, server.folder)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [b"<html>log in</html>", WEIGHTS[:1000], b"<html>" + bytes(32_000_000)],
    ids=["page", "part", "long page"],
)
def test_a_file_put_there_that_is_none_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "map2sat_pretrained" / "latest_net_G.pth"
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(UserError, match=rf"^{file} is no generator of the official code: .*; delete it, or put a"):
        official_weights.fetch("map2sat", tmp_path)
    assert file.read_bytes() == content


def test_a_folder_that_cannot_be_written_to_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UserError, match=r"file/map2sat_pretrained/latest_net_G\.pth cannot be written .*another folder"
    ):
        official_weights.fetch("map2sat", tmp_path / "file", server.folder)


def test_an_unknown_name_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no official weights named 'horses2zebras': did you mean horse2zebra"):
        official_weights.fetch("horses2zebras", tmp_path)
    with pytest.raises(UserError, match="no official weights named 'xyz': the names are apple2orange, orange2apple, "):
        official_weights.find("xyz")


def test_the_documentation_has_the_names() -> None:
    page = (Path(__file__).parents[2] / "docs" / "hub.md").read_text()
    rows = [
        f"| `{model.name}` | {model.source} -> {model.target} | {model.data_set}, {model.direction} |"
        for model in official_weights.MODELS.values()
    ]
    assert "\n".join(rows) in page
