"""Training batches and test images."""

import json
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cyclegan_jax.data.batches import Batch, TrainIterator, train_iterator
from cyclegan_jax.data.dataset import Dataset, Example
from cyclegan_jax.data.decode import decode
from cyclegan_jax.data.images import Uint8Image
from cyclegan_jax.data.open_dataset import open_dataset
from cyclegan_jax.data.resize import resize
from cyclegan_jax.errors import UserError
from tests.helpers.examples import config, label_pictures, noisy, numbered, only_palette, split_of


def take(iterator: TrainIterator, number: int) -> Batch:
    """The next `number` batches in a row."""
    batches = [next(iterator) for _ in range(number)]
    return {domain: np.concatenate([batch[domain] for batch in batches]) for domain in ("A", "B")}


def assert_same(one: Batch, other: Batch) -> None:
    for domain in ("A", "B"):
        np.testing.assert_array_equal(one[domain], other[domain])


def order(batch: Batch, domain: str) -> list[int]:
    """The numbers of `numbered` images."""
    return [int(number) for number in batch[domain][:, 0, 0, 0]]


@pytest.fixture
def noise() -> Dataset:
    return Dataset(noisy(5, 1), noisy(7, 2))


@pytest.fixture
def numbers() -> Dataset:
    return Dataset(numbered(6), numbered(20))


def test_batches_have_the_shapes_and_types_of_the_config(noise: Dataset) -> None:
    batch = next(train_iterator(noise, config(batch_size=3, image_size=16, channels_A=1, channels_B=4)))
    assert set(batch) == {"A", "B"}
    assert (batch["A"].shape, batch["B"].shape) == ((3, 16, 16, 1), (3, 16, 16, 4))
    assert batch["A"].dtype == batch["B"].dtype == np.uint8


def test_works_on_a_folder(tmp_path: Path) -> None:
    for split in ("trainA", "trainB"):
        (tmp_path / split).mkdir()
        for item in noisy(3, seed=len(split)).examples:
            (tmp_path / split / item.name).write_bytes(item.encoded)
    experiment = config(batch_size=2, dir=str(tmp_path))
    batch = take(train_iterator(open_dataset(experiment.data), experiment), 3)
    assert batch["A"].shape == (6, 8, 8, 3)


def test_each_epoch_visits_every_image_once_in_a_new_order(numbers: Dataset) -> None:
    batch = take(train_iterator(numbers, config(batch_size=4)), 15)
    epochs = np.reshape(order(batch, "B"), (3, 20))
    for epoch in epochs:
        assert sorted(epoch) == list(range(20))
    orders = {tuple(epoch) for epoch in epochs} | {tuple(range(20))}
    assert len(orders) == 4
    # The smaller domain repeats, each of its images once before any comes again.
    for epoch in np.reshape(order(batch, "A"), (10, 6)):
        assert sorted(epoch) == list(range(6))


def test_without_shuffling_images_come_in_their_order(numbers: Dataset) -> None:
    batch = take(train_iterator(numbers, config(shuffle=False)), 26)
    assert order(batch, "A") == [index % 6 for index in range(26)]
    assert order(batch, "B") == [index % 20 for index in range(26)]


def test_the_domains_are_shuffled_independently() -> None:
    same = Dataset(numbered(30), numbered(30))
    batch = take(train_iterator(same, config(batch_size=30)), 6)
    epochs = {domain: [tuple(row) for row in np.reshape(order(batch, domain), (6, 30))] for domain in ("A", "B")}
    # Neither in step nor one a few epochs behind the other, as with neighbouring seeds.
    assert not set(epochs["A"]) & set(epochs["B"])
    pairs = Counter(zip(order(batch, "A"), order(batch, "B"), strict=True))
    assert sum(a == b for a, b in pairs) < 30


def test_one_image_is_enough() -> None:
    batch = take(train_iterator(Dataset(numbered(1), numbered(2)), config(batch_size=3)), 2)
    assert order(batch, "A") == [0] * 6
    assert sorted(order(batch, "B")) == [0, 0, 0, 1, 1, 1]


def test_the_seed_decides(noise: Dataset) -> None:
    first = take(train_iterator(noise, config(seed=3)), 10)
    assert_same(first, take(train_iterator(noise, config(seed=3)), 10))
    other = take(train_iterator(noise, config(seed=4)), 10)
    assert np.any(first["A"] != other["A"])
    assert np.any(first["B"] != other["B"])


def test_threads_and_batch_size_do_not_matter(noise: Dataset) -> None:
    expected = take(train_iterator(noise, config(threads=1)), 60)
    for threads in (1, 4):
        for batch_size in (1, 4):
            iterator = train_iterator(noise, config(batch_size=batch_size, threads=threads))
            assert_same(take(iterator, 60 // batch_size), expected)


def test_a_state_of_another_data_set_is_refused(noise: Dataset) -> None:
    state = train_iterator(noise, config()).get_state() | {"images_B": 4}
    with pytest.raises(UserError, match=r"trained on 4 images of B, but the data now holds \d+: give the run's own"):
        train_iterator(noise, config()).set_state(state)
    # States of early versions hold no image counts.
    train_iterator(noise, config()).set_state({"pairs": 3})


@pytest.mark.parametrize("taken", [0, 1, 5, 23])
def test_it_resumes_at_its_position(noise: Dataset, taken: int) -> None:
    iterator = train_iterator(noise, config(batch_size=2))
    for _ in range(taken):
        next(iterator)
    state = json.loads(json.dumps(iterator.get_state()))
    expected = take(iterator, 10)

    fresh = train_iterator(noise, config(batch_size=2, threads=3))
    fresh.set_state(state)
    assert fresh.get_state() == state
    assert_same(take(fresh, 10), expected)
    # Back again, in an iterator that has been further on.
    iterator.set_state(state)
    assert_same(take(iterator, 10), expected)
    # With a batch size that does not divide the position.
    larger = train_iterator(noise, config(batch_size=5))
    larger.set_state(state)
    assert_same(take(larger, 4), expected)


def test_processes_share_the_batch_of_one(noise: Dataset) -> None:
    whole = train_iterator(noise, config(batch_size=6))
    parts = [train_iterator(noise, config(batch_size=6), process_index=index, process_count=3) for index in range(3)]
    for _ in range(4):
        expected, shares = next(whole), [next(part) for part in parts]
        assert all(share["A"].shape == (2, 8, 8, 3) for share in shares)
        assert_same({domain: np.concatenate([share[domain] for share in shares]) for domain in expected}, expected)
    # The position counts the pairs of all processes, so that another number of processes can resume from it.
    assert parts[1].get_state() == whole.get_state()
    alone = train_iterator(noise, config(batch_size=6))
    alone.set_state(parts[1].get_state())
    assert_same(next(alone), next(whole))


def test_processes_must_divide_the_batch(noise: Dataset) -> None:
    with pytest.raises(UserError, match="batch_size is 5, but 2 processes share it: set it to a multiple of 2"):
        train_iterator(noise, config(batch_size=5), process_count=2)


def crops(image: Uint8Image, size: int) -> dict[bytes, tuple[int, int, bool]]:
    """Every crop of an image, as it is and mirrored."""
    found = {}
    for top in range(image.shape[0] - size + 1):
        for left in range(image.shape[1] - size + 1):
            crop = image[top : top + size, left : left + size]
            found[crop.tobytes()] = (top, left, False)
            found[crop[:, ::-1].tobytes()] = (top, left, True)
    return found


def test_images_are_crops_and_all_crops_and_flips_occur() -> None:
    source = noisy(1, seed=5)
    data = Dataset(source, source)
    resized = resize(decode(source[0].encoded, 3, ""), 10, 10, nearest=False)
    known = crops(resized, 8)
    batch = next(train_iterator(data, config(batch_size=400, load_size=10)))
    for domain in ("A", "B"):
        seen = Counter(known[image.tobytes()] for image in batch[domain])
        assert len(seen) == 3 * 3 * 2
        assert 150 < sum(count for (_, _, flipped), count in seen.items() if flipped) < 250
    assert np.any(batch["A"] != batch["B"])

    straight = next(train_iterator(data, config(batch_size=50, load_size=10, flip=False)))
    assert not any(known[image.tobytes()][2] for image in straight["A"])


def test_a_crop_of_the_load_size_is_the_whole_image() -> None:
    source = noisy(1, seed=5)
    data = Dataset(source, source)
    batch = next(train_iterator(data, config(batch_size=2, load_size=8, flip=False)))
    resized = resize(decode(source[0].encoded, 3, ""), 8, 8, nearest=False)
    np.testing.assert_array_equal(batch["A"], [resized, resized])


def test_labels_keep_their_colours_in_training() -> None:
    data = Dataset(label_pictures(), label_pictures())
    batch = next(train_iterator(data, config(batch_size=8, image_size=16, labels="A")))
    assert only_palette(batch["A"])
    assert not only_palette(batch["B"]), "photos are resized with new colours"


@pytest.mark.parametrize("mode", ["resize_and_crop", "crop", "none"])
def test_jpeg_labels_are_snapped_in_training_too(mode: str) -> None:
    stored = label_pictures("JPEG", quality=75)
    whole: dict[str, Any] = {"image_size": 24, "load_size": 24, "preprocess": mode, "labels": "A"}
    plain = take(train_iterator(Dataset(stored, stored), config(batch_size=8, **whole)), 3)
    assert only_palette(plain["A"])
    assert not only_palette(plain["B"]), "only the label domain is snapped"
    # With a cache, whole images are snapped once; without one, only crops are.
    cached = take(train_iterator(Dataset(stored, stored), config(batch_size=8, cache_gib=0.01, **whole)), 3)
    assert_same(plain, cached)


def test_palette_colours_stay_as_they_are_in_training() -> None:
    labels = Dataset(label_pictures(), label_pictures())
    experiment: dict[str, Any] = {"batch_size": 8, "image_size": 16, "preprocess": "crop"}
    as_labels = take(train_iterator(labels, config(labels="A", **experiment)), 2)
    as_photos = take(train_iterator(labels, config(**experiment)), 2)
    assert_same(as_labels, as_photos)


def test_the_error_for_a_broken_image_holds_its_file_name(noise: Dataset) -> None:
    broken = Example(noise.train_A[0].encoded[:100], "trainA/broken.png")
    iterator = train_iterator(Dataset(split_of(broken), noise.train_B), config(threads=2))
    with pytest.raises(UserError, match=r"the image trainA/broken\.png cannot be read"):
        next(iterator)


def test_close_ends_the_threads_and_keeps_the_position(noise: Dataset) -> None:
    def readers() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name.startswith("grain-prefetch")]

    before = set(readers())
    iterator = train_iterator(noise, config(threads=3))
    next(iterator)
    started = set(readers()) - before
    assert 1 <= len(started) <= 3
    state = iterator.get_state()
    iterator.close()
    for thread in started:
        thread.join(timeout=10)
        assert not thread.is_alive()
    fresh = train_iterator(noise, config())
    fresh.set_state(state)
    assert_same(next(iterator), next(fresh))


def test_importing_batches_does_not_import_grain_or_tfds() -> None:
    code = (
        "import sys; from cyclegan_jax.data import batches, open_dataset; "
        "print([name for name in ('grain', 'tensorflow_datasets', 'tensorflow') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
