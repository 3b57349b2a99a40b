"""FID and KID of the generated images of both domains, beside what real images and untranslated ones score."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Final

from cyclegan_jax.config import Domain
from cyclegan_jax.data.images import Uint8Image
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation.distances import Features, frechet_distance, kernel_distance
from cyclegan_jax.evaluation.features import INCEPTION, Extractor
from cyclegan_jax.evaluation.tables import Column, ScoreTable
from cyclegan_jax.evaluation.test_split import TestSplit, as_uint8

_OTHER: Final[dict[Domain, Domain]] = {"A": "B", "B": "A"}


class ImageDistances:
    """Distances to the real test images of both domains; the features of real images are computed once."""

    def __init__(self, split: TestSplit, extractor: Extractor):
        """Compare by the features of `extractor`.

        Raises:
            UserError: a domain has fewer than two test images.
        """
        for domain, images in split.images.items():
            if len(images) < 2:
                raise UserError(f"a distance needs two or more test images of domain {domain}: add some")
        self._split = split
        self._extractor = extractor

    def tables(self, outputs: Mapping[Domain, Sequence[Uint8Image]]) -> list[ScoreTable]:
        """The distances of what was made of all test images, by the domain that it was made of.

        Two controls stand beside each: as many real training images of the domain, which is the floor where both splits
        show the same kind of scenes (films of different streets do not), and the test images of the other domain as
        they are, which is what doing nothing scores.
        """
        return [self._table(source, self._extractor(outputs[source])) for source in ("A", "B")]

    def _table(self, source: Domain, made: Features) -> ScoreTable:
        target = _OTHER[source]
        real = self._test[target]
        is_inception = self._extractor.name == INCEPTION
        names = ("FID", "KID") if is_inception else ("Fréchet distance", "kernel distance")
        by = "" if is_inception else f" by {self._extractor.name}"
        record = "" if is_inception else f"[{self._extractor.name}]"
        rows = {
            f"{source} -> {target}": made,
            f"real training {target}": self._train[target],
            f"{source} untranslated": self._test[source],
        }
        numbers = {name: len(features) for name, features in rows.items()}
        notes = [f"Images: {len(real)} real ones against {', '.join(f'{n} ({name})' for name, n in numbers.items())}."]
        if is_inception and min(len(real), *numbers.values()) < real.shape[1]:
            notes.append(
                f"FID of fewer images than the {real.shape[1]} features is far above its limit, for any images: "
                "compare it only with values of the same numbers of images."
            )
        return ScoreTable(
            f"distance_to_{target}",
            f"distance to real {target}{by}",
            (
                Column("fid", names[0], "lower", record=f"fid_{target}{record}"),
                Column("kid", names[1], "lower", record=f"kid_{target}{record}", digits=5),
            ),
            {
                name: (frechet_distance(features, real), kernel_distance(features, real))
                for name, features in rows.items()
                if len(features) >= 2
            },
            tuple(notes),
            {"images": {"real": len(real), **numbers}},
        )

    @cached_property
    def _test(self) -> dict[Domain, Features]:
        return {
            domain: self._extractor([as_uint8(image) for image in images])
            for domain, images in self._split.images.items()
        }

    @cached_property
    def _train(self) -> dict[Domain, Features]:
        # As many as there are generated ones, since FID depends on the number.
        return {
            domain: self._extractor(
                [as_uint8(image) for image in self._split.train_images(domain, len(self._split.images[_OTHER[domain]]))]
            )
            for domain in ("A", "B")
        }
