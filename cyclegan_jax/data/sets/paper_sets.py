"""The unpaired data sets of the paper by their TFDS names, prepared without TensorFlow.

URLs and checksums come from the installed TFDS (`cycle_gan`), whose own preparation needs TensorFlow and drops the file
names. This module imports `tensorflow_datasets`, which takes seconds: import it only where such a set is used.
"""

import difflib
import io
import logging
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Final

import tensorflow_datasets as tfds

from cyclegan_jax import files
from cyclegan_jax.data.dataset import EXTENSIONS, SPLITS, Dataset
from cyclegan_jax.data.pairs import pair_ending
from cyclegan_jax.data.sets import archives, downloads
from cyclegan_jax.data.sets.downloads import Archive
from cyclegan_jax.data.sets.tfds_store import ImageBuilder, is_stored, open_stored, prepare, quiet, store_root
from cyclegan_jax.errors import UserError

_LOG = logging.getLogger(__name__)

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
"""The data sets that `open_paper_set` can open."""

# What `zipfile` raises for an archive that is cut off, altered, encrypted, or compressed by an unknown method.
_UNREADABLE: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


class PaperSet(ImageBuilder, skip_registration=True):
    """A data set of the CycleGAN paper: the unchanged image files of its archive, with their names."""

    name = "cyclegan_jax"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[dict[str, str]] = {"1.0.0": "Image files and their names."}
    BUILDER_CONFIGS: ClassVar[list[tfds.core.BuilderConfig]] = [  # type: ignore[misc]
        tfds.core.BuilderConfig(name=name) for name in NAMES
    ]
    archive: Path | None = None
    """The zip file to prepare from; `_prepare` sets it, as TFDS creates builders without arguments of ours."""

    def _info(self) -> tfds.core.DatasetInfo:
        return self._image_info(tfds.features.Image(shape=(None, None, 3)))

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator[tuple[int, Any]]]:
        assert self.archive is not None
        members = _members(self.archive)
        return {split: self._generate_examples(members[split]) for split in SPLITS}

    def _generate_examples(self, members: Mapping[str, str]) -> Iterator[tuple[int, dict[str, Any]]]:
        assert self.archive is not None
        with zipfile.ZipFile(self.archive) as archive:
            for index, (filename, member) in enumerate(members.items()):
                try:
                    content = archives.read(archive, member)
                except _UNREADABLE as error:
                    raise _damaged(self.archive, error) from error
                yield index, {"image": io.BytesIO(content), "filename": filename}


def open_paper_set(name: str, data_dir: str | None = None) -> Dataset:
    """Open a data set of the paper, and prepare it first if `data_dir` does not hold it yet.

    The archive NAME.zip is looked up in `data_dir` and its folders `downloads/manual` and `downloads`, and otherwise
    downloaded into `downloads`; once the set is prepared, it can be deleted. An interrupted preparation leaves nothing
    that a later call would take for the data set.

    Args:
        name: one of `NAMES`, or `cycle_gan/NAME`.
        data_dir: the TFDS directory to keep the data set in; default: `$TFDS_DATA_DIR`, or `~/tensorflow_datasets`.

    Returns:
        The data set, each split sorted by file name. An ending _A or _B that all names of a split have is removed, so
        that the two images of a pair have the same name.

    Raises:
        UserError: there is no such data set; its archive is missing and cannot be downloaded, or is damaged; or the
            directory cannot be written to or holds a damaged data set.
    """
    name = _known(name)
    root = store_root(data_dir)
    folder = root / PaperSet.name / name / str(PaperSet.VERSION)
    if not is_stored(folder):
        _prepare(name, Path(root), folder)
    try:
        return open_stored(_builder(name, root))
    except Exception as error:  # TFDS and ArrayRecord raise many unrelated types for a data set they cannot read
        raise UserError(
            f"the data set {name} in {folder} is damaged: delete that folder to prepare it again"
        ) from error


def archive_of(name: str) -> Archive:
    """Return the URL, size and checksum of a data set's archive, as the installed TFDS lists them."""
    for url, info in (tfds.builder_cls("cycle_gan").url_infos or {}).items():
        if PurePosixPath(url).stem == name:
            return Archive(url, int(info.size), info.checksum)
    raise UserError(
        f"the installed tensorflow-datasets {tfds.__version__} does not know {name}: install another version"
    )


def _known(name: str) -> str:
    short = name.removeprefix("cycle_gan/")
    if short in NAMES:
        return short
    if short == "cityscapes":
        raise UserError(
            "the license of Cityscapes forbids passing it on, so that it cannot be downloaded by name: get the "
            "official archives and use --data.source=cityscapes"
        )
    close = difflib.get_close_matches(short, NAMES, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise UserError(f"there is no data set {name!r} of the paper: {hint}the names are {', '.join(NAMES)}")


def _prepare(name: str, root: Path, folder: tfds.core.Path) -> None:
    archive = _archive(name, root)
    try:
        _LOG.info(f"preparing {name} from {archive} in {folder} (once)")
        # Raises clear errors about the archive, which TFDS would wrap in messages of its own.
        members = [member for split in _members(archive).values() for member in split.values()]
        with zipfile.ZipFile(archive) as opened:
            archives.check_space(opened, members, root)
        builder = _builder(name, root)
        builder.archive = archive
        prepare(builder)
    except OSError as error:
        raise UserError(
            f"the data set {name} cannot be stored in data_dir {str(root)!r} ({error}): give another"
        ) from error


def _archive(name: str, root: Path) -> Path:
    """Find the data set's zip file, or download it; either way its checksum is compared."""
    published = archive_of(name)
    by_hand = root / "downloads" / "manual" / f"{name}.zip"
    places = (root / by_hand.name, by_hand, root / "downloads" / by_hand.name)
    found = next((place for place in places if files.is_file(place)), None)
    if found is not None:
        downloads.check(published, found)
        return found
    downloads.fetch(published, places[-1], by_hand)
    return places[-1]


def _members(archive: Path) -> dict[str, dict[str, str]]:
    """List the images in a zip file: for each split, file name to archive member, sorted by name."""
    try:
        with zipfile.ZipFile(archive) as opened:
            archives.check(opened)
            paths = [PurePosixPath(member) for member in opened.namelist() if member.lower().endswith(EXTENSIONS)]
    except _UNREADABLE as error:
        raise _damaged(archive, error) from error
    paths = [path for path in paths if not path.name.startswith(".")]
    splits = {split: _named([path for path in paths if path.parent.name == split], split) for split in SPLITS}
    for split, members in splits.items():
        if not members:
            raise UserError(f"the archive {archive} holds no images in a folder {split}: put the published one there")
    return splits


def _damaged(archive: Path, error: Exception) -> UserError:
    return UserError(f"the archive {archive} is damaged ({error}): delete it, or put a whole copy there")


def _named(paths: Sequence[PurePosixPath], split: str) -> dict[str, str]:
    """Map file names to paths, sorted; an ending such as _A that all names have is removed, so that pairs match."""
    ending = pair_ending([path.stem for path in paths], split[-1])
    names = {path.stem.removesuffix(ending) + path.suffix: str(path) for path in paths}
    return dict(sorted(names.items()))


def _builder(name: str, root: tfds.core.Path | Path) -> PaperSet:
    with quiet():
        builder: PaperSet = PaperSet(data_dir=root, config=name, file_format="array_record")
    return builder
