"""Opening the data set that a config selects, and preparing it first where that is needed."""

import dataclasses

from cyclegan_jax import files
from cyclegan_jax.config import DataConfig
from cyclegan_jax.data import user_source
from cyclegan_jax.data.dataset import Dataset, FirstImages
from cyclegan_jax.data.folders import data_folder, holds_training_images, open_data_folder, open_folders
from cyclegan_jax.data.label_check import check_labels
from cyclegan_jax.errors import UserError


def open_dataset(config: DataConfig) -> Dataset:
    """Open the data set that `config.source` selects.

    - `folder`: the user's own images, see `folders.open_folders`.
    - `cityscapes`: the official archives in `config.dir`, prepared there once; or a folder as above.
    - `tfds`: a data set by its name, downloaded and prepared once; or a folder as above that holds it unpacked.
    - `streets`: the embedded street scenes, drawn once.
    - `module:function`: what the user's function returns, see `user_source`.

    Of the training images, the first `config.max_images` of each domain are taken.

    Raises:
        UserError: data are missing, hold no image, cannot be prepared, or are not the label maps that `config.labels`
            says they are.
    """
    data = _open(config)
    if config.max_images is not None:
        first_A, first_B = (FirstImages(split, config.max_images) for split in (data.train_A, data.train_B))
        data = dataclasses.replace(data, train_A=first_A, train_B=first_B)
    check_labels(data, config)
    return data


def _open(config: DataConfig) -> Dataset:
    # Each branch imports its own module: tensorflow_datasets alone takes seconds to import.
    if config.source == "folder":
        return open_folders(config)
    _check_no_folders(config)
    if ":" in config.source:
        return user_source.open_dataset(config)
    if config.source == "cityscapes":
        return _open_cityscapes(config)
    if config.source == "tfds":
        # With a folder from the official download script in data.dir, nothing has to be downloaded.
        with files.naming("data.dir"):
            unpacked = (
                config.name is not None and config.dir is not None and holds_training_images(files.expand(config.dir))
            )
        return open_folders(config) if unpacked else _open_tfds(config)
    from cyclegan_jax.data.streets.streets_set import open_streets

    return open_streets(config.dir)


def _check_no_folders(config: DataConfig) -> None:
    for name in ("train_A", "train_B", "test_A", "test_B"):
        if getattr(config, name) is not None:
            raise UserError(
                f"data.{name} is given, but data.source is {config.source}: add --data.source=folder, or leave it out"
            )


def _open_cityscapes(config: DataConfig) -> Dataset:
    from cyclegan_jax.data.sets import cityscapes

    root = data_folder(
        config.dir, "with the official archives gtFine_trainvaltest.zip and leftImg8bit_trainvaltest.zip"
    )
    with files.naming("data.dir"):
        if holds_training_images(root):
            return open_folders(config)
        return open_data_folder(cityscapes.prepare(root, _cityscapes_size(config)))


def _cityscapes_size(config: DataConfig) -> tuple[int, int] | None:
    """Return the height and width in which Cityscapes is stored, or None for the original size.

    At least 256x256, as the official preparation stores it; larger if training loads larger images.
    """
    height, width = (max(256, side) for side in config.resolved_load_size)
    if config.preprocess == "resize_and_crop":
        return height, width
    # The original proportions are 1:2, but the scale_width modes stretch images that would be lower than the crop.
    if config.preprocess in ("scale_width", "scale_width_and_crop"):
        return max(width // 2, config.crop_size[0]), width // 2 * 2
    if config.preprocess in ("scale_shorter", "scale_shorter_and_crop"):
        return min(height, width), 2 * min(height, width)
    return None


def _open_tfds(config: DataConfig) -> Dataset:
    if config.name is not None and config.name_A is None and config.name_B is None:
        from cyclegan_jax.data.sets.paper_sets import open_paper_set

        return open_paper_set(config.name, config.dir)
    if config.name is None and config.name_A is not None and config.name_B is not None:
        from cyclegan_jax.data.sets.labelled_sets import open_labelled

        return open_labelled(config.name_A, config.name_B, config.dir)
    raise UserError(
        "data.source is tfds, but no data set is given: give --data.name=horse2zebra (or another of the paper's sets), "
        "or for any two image sets or classes both --data.name_A=cifar10:cat and --data.name_B=cifar10:dog"
    )
