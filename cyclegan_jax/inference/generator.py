"""A trained generator: load it from a run, and call it on images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeAlias, overload

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, UInt8
from PIL import Image

from cyclegan_jax import files
from cyclegan_jax.checkpoints.opened import Checkpoint, read_from
from cyclegan_jax.config import Direction, Domain, TrainConfig
from cyclegan_jax.data import images as images_lib
from cyclegan_jax.epochs import EpochLength, named
from cyclegan_jax.errors import UserError
from cyclegan_jax.exchange import hub, model_card, pretrained
from cyclegan_jax.exchange.pretrained import Pretrained
from cyclegan_jax.inference import apply, image_files, masks, user_images
from cyclegan_jax.inference.any_size import AnySize, LayerStatistics
from cyclegan_jax.inference.masks import Mask
from cyclegan_jax.inference.user_images import UserImage
from cyclegan_jax.networks import cyclegan
from cyclegan_jax.networks.cyclegan import Params
from cyclegan_jax.networks.generator import GeneratorNetwork
from cyclegan_jax.state import image_dtype

ManyImages: TypeAlias = list[UserImage] | list[Image.Image] | list[np.ndarray] | list[str] | list[Path]


@dataclass(frozen=True)
class Generator:
    """A trained generator of one direction.

    Attributes:
        config: the experiment that trained it.
        direction: `AtoB` or `BtoA`.
        step: the training step of its checkpoint.
        graphdef: its definition: `nnx.merge(graphdef, params)` is the Flax module.
        params: its parameters.
        epoch: the length of an epoch of its run; None of an exported generator, or where an early version saved it.
    """

    config: TrainConfig
    direction: Direction
    step: int
    graphdef: nnx.GraphDef[GeneratorNetwork]
    params: Params
    epoch: EpochLength | None = None

    @property
    def named(self) -> str:
        """Its step in words: `step 26,680 (epoch 20)`, without the epoch where its length is not known."""
        return named(self.step, self.epoch)

    @property
    def domains(self) -> tuple[Domain, Domain]:
        """The domain of its inputs and that of its outputs."""
        return self.pretrained.domains

    @cached_property
    def _apply(self) -> Any:
        return jax.jit(partial(apply.in_own_dtype, self.graphdef, precision=self.config.precision))

    def __call__(self, images: Array | np.ndarray) -> Float[Array, "N H W D"]:
        """Translate images; a program is compiled once for each shape.

        Args:
            images: (N, H, W, C) floats in [-1, 1]; H and W multiples of 4 and at least 8; those of a U-Net, of 2^depth.

        Returns:
            Images of the other domain in [-1, 1]; float32, or float64 where the network computes in it.

        Raises:
            UserError: the network does not take images of this shape or dtype.
        """
        if not jnp.issubdtype(images.dtype, jnp.floating):
            raise UserError(
                f"a generator takes float images in [-1, 1], but was given {images.dtype}: for uint8 images call "
                ".translate_uint8(images)"
            )
        # Outside of the compiled program, so that a bfloat16 network's output is rounded to bfloat16.
        return apply.widen(self._apply(self.params, images))

    @cached_property
    def _any_size(self) -> AnySize:
        return AnySize(self.graphdef, self.params, self.config.generator, self.config.precision)

    @overload
    def translate(
        self,
        images: ManyImages,
        *,
        batch_size: int | None = None,
        tile: int | None = None,
        mask: Sequence[Mask] | None = None,
        statistics: LayerStatistics | None = None,
    ) -> list[UserImage]: ...

    @overload
    def translate(
        self,
        images: UserImage | str | Path,
        *,
        batch_size: int | None = None,
        tile: int | None = None,
        mask: Mask | None = None,
        statistics: LayerStatistics | None = None,
    ) -> UserImage: ...

    def translate(
        self,
        images: UserImage | str | Path | ManyImages,
        *,
        batch_size: int | None = None,
        tile: int | None = None,
        mask: Mask | Sequence[Mask] | None = None,
        statistics: LayerStatistics | None = None,
    ) -> UserImage | list[UserImage]:
        """Translate images of any size; each result has the kind, the size and the transparency of its input.

        Sides that the network does not take are padded by mirroring, and the result is cropped. Programs are compiled
        for a few sizes only (`any_size.bucket`), which does not change the results. Images with a side above 2048
        pixels are translated in tiles.

        Args:
            images: a Pillow picture; the path of an image file; an array (H, W), (H, W, C) or (N, H, W, C) with C from
                1 to 4; or a list of them, of any sizes. Gray or RGB, with transparency or not, is converted to the
                channels of the model; bands are an array of exactly its channels. Values are uint8, or any within the
                range that the model was trained with, where its config states one.
            batch_size: the most images at once; large images are translated in smaller batches to save memory. None
                chooses the faster number: 8 on accelerators, and on CPU fewer for images above 64x64 pixels.
            tile: side of the tiles, pixels; larger tiles take more memory and less time. None is 1024, and more for
                U-Nets, which see farther.
            mask: where to translate: (H, W), from 0, where the input stays, to 1, where the translation shows; unsigned
                integers count up to their highest value. One for each image of a list.
            statistics: one set of instance-norm statistics for all images, from `clip_statistics`; None normalises each
                image by its own.

        Returns:
            The same kind, and for a file a Pillow picture, or an array where its domain states a range; uint8, or where
            the config states a range of the other domain, values in it: uint16 where whole numbers fit, float32
            otherwise.

        Raises:
            UserError: something is not an image, its values are not of the kind that the model was trained with, or a
                mask does not fit its image or the model.
        """
        source, target = self.domains

        def translate_list(several: list[UserImage]) -> list[UserImage]:
            ready = [user_images.to_model(image, self.config.data, source) for image in several]
            inputs = [image.pixels for image in ready]
            given = None if mask is None else self._shares(mask, inputs)
            outputs = self._any_size(inputs, batch_size=batch_size, tile=tile, statistics=statistics)
            if given is not None:
                outputs = [masks.blend(*each) for each in zip(outputs, inputs, given, strict=True)]
            pairs = zip(outputs, ready, strict=True)
            return [user_images.from_model(output, image, self.config.data, target) for output, image in pairs]

        if isinstance(images, list | tuple):
            return translate_list([self._opened(image) for image in images])
        return user_images.each(self._opened(images), translate_list)

    def clip_statistics(self, frames: Sequence[UserImage]) -> LayerStatistics:
        """One set of instance-norm statistics for the frames of a clip, which keeps a translated clip from flickering.

        Args:
            frames: some frames of the clip, all of one size, as many as one batch can hold. See `clip_statistics.py`.

        Returns:
            Mean and variance of each channel of each norm, over all frames together: the `statistics` of `translate`.

        Raises:
            UserError: there are no frames, they differ in size, or something is not an image.
        """
        ready = [user_images.to_model(frame, self.config.data, self.domains[0]).pixels for frame in frames]
        if len({image.shape for image in ready}) != 1:
            sizes = " and ".join(sorted({f"{image.shape[1]}x{image.shape[0]}" for image in ready})[:2]) or "none"
            raise UserError(f"the frames of a clip have one size, but these have {sizes}: scale them to one size")
        return self._any_size.statistics(ready)

    def _shares(self, mask: Mask | Sequence[Mask], inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The masks of some images, checked; one array is that of the only one."""
        masks.check_domains(self.config.data, *self.domains)
        given = [mask] if isinstance(mask, np.ndarray) and mask.ndim == 2 else list(mask)
        if len(given) != len(inputs):
            raise UserError(f"there are {len(given)} masks for {len(inputs)} images: give one for each image")
        return [masks.shares(one, (image.shape[0], image.shape[1])) for one, image in zip(given, inputs, strict=True)]

    def _opened(self, image: UserImage | str | Path) -> UserImage:
        if not isinstance(image, str | Path):
            return image
        source, _ = self.domains
        values = image_files.read(files.expand(image), self.config.data, source)
        data = self.config.data
        return values if data.has_bands(source) or data.value_range(source) is not None else Image.fromarray(values)

    def translate_uint8(self, images: UInt8[np.ndarray, "N H W C"]) -> UInt8[np.ndarray, "N H W D"]:
        """Translate images in [0, 255] to images of the other domain; sizes as in `__call__`."""
        scaled = images_lib.to_model_range(jnp.asarray(images), image_dtype(self.config))
        return images_lib.to_uint8(self(scaled))

    @property
    def pretrained(self) -> Pretrained:
        """This generator as the data that a file of it holds."""
        return Pretrained(self.config, self.direction, self.step, self.params)

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        scores: Mapping[str, float] | None = None,
        pictures: Mapping[str, bytes] | None = None,
        overwrite: bool = False,
    ) -> None:
        """Write this generator alone to a folder, which `load_generator` takes wherever it is copied to.

        The folder has the form of the Hugging Face hub: `model.safetensors` (4 bytes a parameter), `config.json` and a
        model card, `README.md`. Of the paths in the config the names alone are written.

        Args:
            folder: made where it does not exist.
            scores: scores for the card, by name.
            pictures: encoded pictures for the folder, by file name; the card shows the first.
            overwrite: whether to replace a model that is there.

        Raises:
            UserError: a model is there already, or the folder cannot be written.
        """
        folder = files.expand(folder)
        card = self._card(scores, pictures, name=folder.absolute().name)
        pretrained.save(folder, pretrained.contents(self.pretrained, card, pictures or {}), overwrite=overwrite)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        revision: str | None = None,
        commit_message: str | None = None,
        private: bool | None = None,
        scores: Mapping[str, float] | None = None,
        pictures: Mapping[str, bytes] | None = None,
    ) -> str:
        """Write this generator to the Hugging Face hub, from where `load_generator("hf://USER/NAME")` loads it.

        It needs `pip install 'cyclegan-jax[hub]'`, and a token: `hf auth login`, or the variable HF_TOKEN. The files
        are those of `save_pretrained`.

        Args:
            repo_id: `USER/NAME`; the model is made where there is none, and gets a new commit where there is one.
            revision: branch to write to, made where there is none; None is `main`.
            commit_message: message of the commit; None says which direction and step it is.
            private: whether a new model is private; None is the default of its owner, which is public for most.
            scores: scores for the card, by name.
            pictures: encoded pictures, by file name; the card shows the first.

        Returns:
            The web address of the commit.

        Raises:
            UserError: the name has another form, huggingface-hub is not installed, no token is set, or the hub cannot
                be reached or refuses.
        """
        model = hub.address(repo_id, revision)
        card = self._card(scores, pictures, name=model.name.partition("/")[2], address=f"hf://{model.name}")
        contents = pretrained.contents(self.pretrained, card, pictures or {})
        message = commit_message or f"CycleGAN generator {self.direction}, step {self.step}"
        return hub.push(model, contents, private, message)

    def _card(self, scores: Mapping[str, float] | None, pictures: Mapping[str, bytes] | None, **names: str) -> str:
        return model_card.model_card(self.pretrained, scores or {}, next(iter(pictures or {}), None), **names)


def load_generator(
    run: str | Path,
    direction: Direction | None = None,
    step: int | str | None = None,
    *,
    ema: bool | None = None,
    metric: str | None = None,
) -> Generator:
    """Load one generator; nothing else of a checkpoint is read.

    Args:
        run: the work directory of a run; the folder of one checkpoint, which may be a copy of any name; what
            `Generator.save_pretrained` or `cyclegan-jax export` wrote: a folder, or the file `model.safetensors` of it;
            or a generator on the Hugging Face hub: `hf://USER/NAME`, or `hf://USER/NAME@REVISION`.
        direction: `AtoB` or `BtoA`; None is AtoB, and for an exported generator its own.
        step: which checkpoint or snapshot: its step; "epoch:N", the one that ends the epoch N; "best", the one with the
            best score; None is the newest checkpoint.
        ema: whether to load the moving average of the weights; None loads it where the run kept one.
        metric: which score decides the best; None where the run was scored by one metric, or all of them agree.

    Raises:
        UserError: there is no such checkpoint or score, no moving average in it, what is read is damaged, an exported
            generator has another direction or step, or the hub cannot be reached or has no such generator.
    """
    run = files.expand(hub.local(run))
    if pretrained.is_one(run):
        return _exported(run, direction, step)
    return read_from(run, step, metric, lambda checkpoint: from_checkpoint(checkpoint, direction or "AtoB", ema))


def from_pretrained(name: str | Path, *, revision: str | None = None) -> Generator:
    """Load a generator under the name by which libraries of the Hugging Face hub do; `load_generator` does the same.

    Args:
        name: `USER/NAME` on the hub; where something of this name is in the file system, it is that.
        revision: branch, tag or commit of a model on the hub; None is `main`.

    Raises:
        UserError: as for `load_generator`.
    """
    if revision is None and files.exists(files.expand(name)):
        return load_generator(name)
    return load_generator(str(hub.address(str(name), revision)))


def _exported(path: Path, direction: Direction | None, step: int | str | None) -> Generator:
    model = pretrained.load(path)
    for name, wanted, held in (("direction", direction, model.direction), ("step", step, model.step)):
        if wanted not in (None, held):
            raise UserError(f"{path} is a generator of {name} {held}, but {name} is {wanted}: leave {name} out")
    definition = cyclegan.define_generator(model.config, model.direction)
    return Generator(model.config, model.direction, model.step, definition, model.params)


def from_checkpoint(checkpoint: Checkpoint, direction: Direction, ema: bool | None = None) -> Generator:
    """Load one generator of a checkpoint that is open; see `load_generator`."""
    params = checkpoint.generator(direction, ema)
    definition = checkpoint.networks.generators[direction]
    return Generator(checkpoint.config, direction, checkpoint.step, definition, params, checkpoint.epoch)
