"""The paper's data sets by name, as TFDS has them, without TensorFlow.

TFDS knows where `cycle_gan/horse2zebra` and the others lie and what their archives must be; its own preparation of them
needs TensorFlow. This one reads the archive itself and keeps the files as they are, with their names. This module
imports `tensorflow_datasets`: import it only where a set is wanted.
"""

import difflib
import functools
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Final

import tensorflow_datasets as tfds

from cyclegan_jax.data import download, tfds_store
from cyclegan_jax.errors import UserError

NAMES: Final = (
    "apple2orange",
    "summer2winter_yosemite",
    "horse2zebra",
    "monet2photo",
    "cezanne2photo",
    "ukiyoe2photo",
    "vangogh2photo",
    "maps",
    "facades",
    "iphone2dslr_flower",
)
_SPLITS: Final = ("trainA", "trainB", "testA", "testB")


class CycleGANFiles(tfds_store.SilentBuilder, skip_registration=True):
    """The files of one of the paper's archives, each with its name."""

    name = "cycle_gan_files"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "The archives' files as they are."}
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [  # type: ignore[misc]
        tfds.core.BuilderConfig(name=name) for name in NAMES
    ]
    archive: Path

    def _info(self) -> tfds.core.DatasetInfo:
        info: tfds.core.DatasetInfo = self.dataset_info_from_configs(
            description=__doc__,
            features=tfds_store.image_features(),
            homepage="https://junyanz.github.io/CycleGAN/",
            disable_shuffling=True,
        )
        return info

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator[tuple[int, Any]]]:
        with zipfile.ZipFile(self.archive) as opened:
            names = sorted(entry.filename for entry in opened.infolist() if not entry.is_dir())
        splits = {split: [name for name in names if PurePosixPath(name).parent.name == split] for split in _SPLITS}
        for split, members in splits.items():
            if not members:
                raise UserError(f"{self.archive} holds no folder {split}: download it again")
        return {split: self._generate_examples(members) for split, members in splits.items()}

    def _generate_examples(self, members: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        with zipfile.ZipFile(self.archive) as opened:
            for index, member in enumerate(members):
                yield index, {"image": io.BytesIO(opened.read(member)), "filename": PurePosixPath(member).name}


def open_tfds(
    name: str, data_dir: str | None, *, say: Callable[[str], None] = print
) -> dict[str, Sequence[dict[str, Any]]]:
    """Open one of the paper's sets, downloading and preparing it first if `data_dir` does not hold it yet.

    An archive that is there already is taken: `<name>.zip` in `data_dir`, or in `downloads` or `downloads/manual` below
    it, if its size and checksum are those that TFDS knows.

    Args:
        name: one of `NAMES`; `cycle_gan/` may stand before it.
        data_dir: the TFDS directory; default: `$TFDS_DATA_DIR`, or `~/tensorflow_datasets`.
        say: where progress goes.

    Returns:
        For each of trainA, trainB, testA and testB a sequence of dicts of `image` (an encoded image, bytes) and
        `filename` (str).

    Raises:
        UserError: there is no such set; it is neither there nor to be had; its archive is another; or the directory
            cannot be written to.
    """
    name = _known(name)
    root = tfds_store.root(data_dir)
    folder = root / CycleGANFiles.name / name / str(CycleGANFiles.VERSION)
    try:
        if not folder.exists():
            _prepare(name, Path(str(root)), say)
    except OSError as error:
        raise UserError(f"{name} cannot be kept in {root} ({error}): name another folder by --data.dir=...") from error
    try:
        return dict(tfds_store.open_splits(_builder(root, name), _SPLITS))
    except Exception as error:
        raise UserError(f"the data set in {folder} is damaged: delete that folder to prepare it again") from error


def _known(name: str) -> str:
    name = name.removeprefix("cycle_gan/")
    if name == "cityscapes":
        raise UserError(
            "TFDS had to remove cityscapes for its licence: download the official archives, and use "
            "--config configs/cityscapes.py --data.dir=..."
        )
    if name not in NAMES:
        near = difflib.get_close_matches(name, NAMES, 1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise UserError(
            f"data.name is {name!r}, which is none of the paper's sets: {meant}They are {', '.join(NAMES)}. For other "
            "image sets of TFDS give data.name_A and data.name_B"
        )
    return name


def _builder(root: Any, name: str) -> CycleGANFiles:
    builder: CycleGANFiles = CycleGANFiles(data_dir=root, config=name, file_format="array_record")
    return builder


def _prepare(name: str, root: Path, say: Callable[[str], None]) -> None:
    url, size, checksum = known_archive(name)
    places = [root / f"{name}.zip", root / "downloads" / "manual" / f"{name}.zip", root / "downloads" / f"{name}.zip"]
    archive = next((place for place in places if place.is_file()), None)
    if archive is None:
        archive = download.fetch(url, places[-1], size, by_hand=places[0], say=say)
    _check(archive, size, checksum)
    say(f"preparing {name} in {root} (once)")
    with tfds_store.quiet():
        builder = _builder(root, name)
        builder.archive = archive
        try:
            builder.download_and_prepare()
        except zipfile.BadZipFile as error:
            raise UserError(f"{archive} is damaged ({error}): delete it, and it is downloaded again") from error
        except OSError:
            # Of preparations at the same time the first to end stays; the others cannot replace it and need not.
            if not builder.data_path.exists():
                raise


@functools.cache
def known_archive(name: str) -> tuple[str, int, str]:
    """URL, size in bytes and SHA-256 of a set's archive, as TFDS has them."""
    infos = tfds.builder_cls("cycle_gan").url_infos
    url, info = next((url, info) for url, info in infos.items() if url.endswith(f"/{name}.zip"))
    return url, int(info.size), info.checksum


def _check(archive: Path, size: int, checksum: str) -> None:
    found = archive.stat().st_size
    if found == size:
        with archive.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == checksum:
                return
        what = "its content is another"
    else:
        what = f"it has {found:,} bytes in place of {size:,}"
    raise UserError(f"{archive} is not the archive that TFDS knows ({what}): delete it, and download it again")
