"""The gallery page: valid HTML that contains its images."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.errors import UserError
from cyclegan_jax.inference.gallery import MAX_SIDE, GalleryItem, write_gallery
from tests.helpers.pages import read


def smooth(height: int, width: int, channels: int = 3) -> np.ndarray:
    ramp = np.add.outer(np.arange(height), np.arange(width)) * 255 // (height + width)
    return np.repeat(ramp[..., None], channels, axis=2).astype(np.uint8)


def test_the_page_contains_the_images(tmp_path):
    items = [
        GalleryItem("one.png", smooth(20, 30), smooth(20, 30)[::-1], smooth(20, 30)),
        GalleryItem("gray.png", smooth(9, 5)[..., 0], smooth(9, 5), None),
        GalleryItem("large.png", smooth(40, 2 * MAX_SIDE), smooth(40, 2 * MAX_SIDE, 4)),
    ]
    assert write_gallery(tmp_path / "new" / "page.html", iter(items), title="a run") == 3
    page = read(tmp_path / "new" / "page.html")
    shown = [image for image in page.images if "data-kind" in image]
    assert [image["alt"] for image in shown][:3] == [
        "one.png, input, domain A",
        "one.png, output, domain B",
        "one.png, reconstruction, domain A",
    ]
    assert len(shown) == 7
    pictures = []
    for image in shown:
        kind, encoded = str(image["src"]).split(",")
        assert kind == "data:image/webp;base64"
        with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
            pictures.append(np.asarray(picture).astype(int))
    assert np.abs(pictures[1] - smooth(20, 30)[::-1]).mean() < 4
    # The error that this comparison detects: input and output exchanged.
    assert np.abs(pictures[0] - pictures[1]).mean() > 40
    assert pictures[5].shape == (20, MAX_SIDE, 3)
    # Images of few colours, such as label maps, are stored without loss.
    np.testing.assert_array_equal(pictures[3], smooth(9, 5))
    # The page loads nothing from elsewhere.
    assert not re.search(r"(src|href)=.?(http|//|/)|url\(|@import", (tmp_path / "new" / "page.html").read_text())


def test_names_and_titles_are_escaped(tmp_path):
    name = '<script>alert(1)</script> & "x".png'
    write_gallery(tmp_path / "page.html", [GalleryItem(name, smooth(8, 8), smooth(8, 8))], title="<b>$items</b>")
    page = read(tmp_path / "page.html")
    assert name in page.text
    assert "<b>$items</b>" in page.text
    assert "alert(1)</script>" not in (tmp_path / "page.html").read_text()


def test_a_page_without_images_is_valid(tmp_path):
    assert write_gallery(tmp_path / "page.html", [], title="empty") == 0
    assert read(tmp_path / "page.html").text.count("empty") == 2


def test_an_old_page_is_kept_until_the_new_one_is_complete(tmp_path):
    (tmp_path / "page.html").write_text("before")

    def broken():
        yield GalleryItem("a", smooth(8, 8), smooth(8, 8))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_gallery(tmp_path / "page.html", broken(), title="x")
    assert (tmp_path / "page.html").read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(UserError, match=r"gallery .*page.html.x cannot be written \(Not a directory|File exists"):
        write_gallery(tmp_path / "page.html" / "x", [], title="x")


def test_the_input_does_not_shine_through_a_transparent_output(tmp_path):
    """Under the slider each of the two images ends where the other begins."""
    write_gallery(tmp_path / "page.html", [], title="x")
    page = (tmp_path / "page.html").read_text()
    clips = dict(re.findall(r"\.pair \.(before|after) { clip-path: inset\((.*)\); }", page))
    assert clips == {"before": "0 calc(100% - var(--at)) 0 0", "after": "0 0 0 var(--at)"}
    for name in clips:
        assert f'<img id="{name}" class="{name}"' in page


def test_the_page_says_what_is_seen_and_needs_no_script_for_it(tmp_path):
    item = GalleryItem("cats/one.png", smooth(20, 30), smooth(20, 30), smooth(20, 30))
    path = tmp_path / "page.html"
    write_gallery(path, [item], title="run BtoA", about="Step 7. A: horse; B: zebra.", domains=("B", "A"))
    page = read(path)
    assert "Step 7. A: horse; B: zebra." in page.text
    assert "input (B)output (A)back (B)" in page.text
    shown = [image for image in page.images if "data-kind" in image]
    assert all(str(image["src"]).startswith("data:image/webp") for image in shown)
    assert [image["alt"] for image in shown] == [
        "cats/one.png, input, domain B",
        "cats/one.png, output, domain A",
        "cats/one.png, reconstruction, domain B",
    ]
    assert 'aria-label="compare cats/one.png"' in path.read_text()
