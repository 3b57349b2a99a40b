"""The table of how well a domain's images survive translation and back: L1, PSNR and SSIM, with two controls."""

import numpy as np

from cyclegan_jax.config import OTHER_DOMAIN, Domain
from cyclegan_jax.evaluation.round_trip import Translations
from cyclegan_jax.evaluation.score_table import Column, ScoreTable


def reconstruction_table(domain: Domain, translations: Translations) -> ScoreTable:
    """Return the means over images of the measures in `translations.measures`.

    The controls: the mean colour of all inputs as the reconstruction, and each reconstruction compared with another
    input. The last column is the L1 between input and translation, which shows how much the translation changes; a
    generator that copies its input reconstructs perfectly.
    """
    other = OTHER_DOMAIN[domain]
    # A measure is NaN where it is undefined, such as SSIM of small images; nanmean of NaNs alone would warn.
    means = {name: float(np.nanmean(v)) for name, v in translations.measures.items() if not np.isnan(v).all()}
    rows = {"cycle": f"{domain} -> {other} -> {domain}", "mean_colour": "mean colour", "shuffled": "shuffled"}
    return ScoreTable(
        f"reconstruction_{domain}",
        f"reconstruction of {domain}",
        (
            Column("l1", "L1", "lower", record=f"cycle_l1_{domain}", digits=4),
            Column("psnr", "PSNR", "higher", digits=2),
            Column("ssim", "SSIM", "higher"),
            Column("change", f"change to {other}, L1", None, digits=4),
        ),
        {
            title: tuple(means.get(f"{row}/{name}") for name in ("l1", "psnr", "ssim", "change"))
            for row, title in rows.items()
        },
    )
