"""Windows over an image: tiles fill it, and a sample is spread over it."""

import numpy as np

from cyclegan_jax.inference.windows import sample, tiles


def test_tiles_fill_each_pixel_once_and_read_a_margin() -> None:
    filled = np.zeros((100, 76), int)
    for window in tiles(100, 76, 48, 8):
        filled[window.inner_rows, window.inner_columns] += 1
        rows, columns = window.inside
        place = np.arange(100)[window.rows][rows], np.arange(76)[window.columns][columns]
        assert [place[0][0], place[1][0]] == [window.inner_rows.start, window.inner_columns.start]
        assert window.inner_pixels == place[0].size * place[1].size
        for read, inner, side in ((window.rows, window.inner_rows, 100), (window.columns, window.inner_columns, 76)):
            assert read == slice(max(0, inner.start - 8), min(side, inner.stop + 8))
    assert (filled == 1).all()


def test_a_sample_is_spread_over_the_image() -> None:
    height, width = 4000, 6000
    windows = sample(height, width, 96, 8, multiple=4, number=64)
    assert 56 <= len(windows) <= 64
    assert windows == sample(height, width, 96, 8, multiple=4, number=64)
    assert all(window.inner_pixels == 80 * 80 for window in windows)
    assert all(window.inner_rows.start % 4 == window.inner_columns.start % 4 == 0 for window in windows)
    quarters = {(w.inner_rows.start * 4 // height, w.inner_columns.start * 4 // width) for w in windows}
    assert len(quarters) == 16
    # Not at regular distances, which the image may have as well.
    assert len({window.inner_columns.start for window in windows}) > 40


def test_a_small_image_is_sampled_whole() -> None:
    assert sample(100, 76, 48, 8, multiple=4, number=12) == list(tiles(100, 76, 48, 8))
    assert len(sample(100, 76, 48, 8, multiple=4, number=4)) == 4
    (only,) = sample(40, 36, 48, 8, multiple=4, number=1)
    assert (only.rows, only.columns) == (slice(0, 40), slice(0, 36))
