"""The tables of FID and KID: generated images of both domains, with real and untranslated images as controls."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from jaxtyping import Float64

from cyclegan_jax.config import OTHER_DOMAIN, Domain
from cyclegan_jax.data.images import Uint8Image
from cyclegan_jax.errors import UserError
from cyclegan_jax.evaluation.features import INCEPTION, Extractor
from cyclegan_jax.evaluation.fid_kid import frechet_distance, kernel_distance
from cyclegan_jax.evaluation.score_table import Column, ScoreTable
from cyclegan_jax.evaluation.test_split import TestSplit, as_picture


class FidKidTables:
    """Distances to the real test images of both domains; features of real images are computed once per run."""

    def __init__(self, split: TestSplit, extractor: Extractor):
        """Prepare to compare generated images with those of `split` by the features of `extractor`.

        Raises:
            UserError: a domain has fewer than two test images.
        """
        for domain, images in split.images.items():
            if len(images) < 2:
                raise UserError(
                    f"FID and KID need two or more test images of domain {domain}, but there are {len(images)}: "
                    "add some, or leave FID and KID out by --features=none"
                )
        self._split = split
        self._extractor = extractor

    def tables(self, outputs: Mapping[Domain, Sequence[Uint8Image]]) -> list[ScoreTable]:
        """Compare the translations of all test images with the real images of the target domain.

        Each table has two controls. Real training images of the target domain, as many as there are translations, give
        the value to aim for, provided that both splits show the same kind of scenes (recordings of different streets do
        not). Untranslated test images of the source domain give the value of doing nothing.

        Args:
            outputs: the translations by source domain, each uint8 (H, W, C).

        Returns:
            The tables for A -> B and B -> A.
        """
        return [self._table(source, self._extractor(outputs[source])) for source in ("A", "B")]

    def _table(self, source: Domain, translated: Float64[np.ndarray, "N D"]) -> ScoreTable:
        target = OTHER_DOMAIN[source]
        real = self._test[target]
        rows = {
            f"{source} -> {target}": translated,
            f"real training {target}": self._train[target],
            f"{source} untranslated": self._test[source],
        }
        self._check_widths([real, *rows.values()])
        numbers = {name: len(features) for name, features in rows.items()}
        is_inception = self._extractor.name == INCEPTION
        # FID and KID are the names for Inception's features alone; values by other features are kept apart from them.
        names = ("FID", "KID") if is_inception else ("Fréchet distance", "kernel distance")
        by = "" if is_inception else f" by {self._extractor.name}"
        record = "" if is_inception else f"[{self._extractor.name}]"
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
            self._notes(real, numbers),
            {"images": {"real": len(real), **numbers}},
        )

    def _notes(self, real: Float64[np.ndarray, "N D"], numbers: Mapping[str, int]) -> tuple[str, ...]:
        compared = ", ".join(f"{number} ({name})" for name, number in numbers.items())
        notes = [f"Compared with {len(real)} real images: {compared}."]
        if self._extractor.name == INCEPTION and min(len(real), *numbers.values()) < real.shape[1]:
            notes.append(
                f"With fewer images than the {real.shape[1]} features, FID is far above its value for many images, "
                "whatever the images show: compare it only with FIDs of the same numbers of images."
            )
        return tuple(notes)

    def _check_widths(self, sets: Sequence[Float64[np.ndarray, "N D"]]) -> None:
        # A user's function may return more features for larger images, and the two domains may differ in size.
        widths = sorted({features.shape[1] for features in sets})
        if len(widths) > 1:
            raise UserError(
                f"the features {self._extractor.name} returned {widths[0]} numbers for some images and {widths[-1]} "
                "for others: return equally many for images of every size"
            )

    @cached_property
    def _test(self) -> dict[Domain, Float64[np.ndarray, "N D"]]:
        return {
            domain: self._extractor([as_picture(image, self._split.config, domain) for image in images])
            for domain, images in self._split.images.items()
        }

    @cached_property
    def _train(self) -> dict[Domain, Float64[np.ndarray, "N D"]]:
        # FID depends on the number of images, so the control takes as many as there are translations.
        return {
            domain: self._extractor(
                [
                    as_picture(image, self._split.config, domain)
                    for image in self._split.train_images(domain, len(self._split.images[OTHER_DOMAIN[domain]]))
                ]
            )
            for domain in ("A", "B")
        }
