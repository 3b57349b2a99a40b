"""What each logged number means: TensorBoard's descriptions, and the legend in docs/scores.md and the README."""

from collections.abc import Mapping
from typing import Final

from cyclegan_jax.loss_config import GanLoss

METRICS: Final = {
    "loss/generators": "total loss of both generators; a new discriminator changes it, so it need not fall",
    "loss/discriminators": "total loss of both discriminators: as a sum over the domains 0.5 is guessing, 0 is perfect",
    "loss/gan_AtoB": "how far D_B is from taking G(A) for real: 0 fools it, 1 does not; it hovers",
    "loss/gan_BtoA": "the same for D_A and F(B)",
    "loss/cycle_A": "mean absolute difference, in [-1, 1] units, between an image of A and its way A -> B -> A; falls",
    "loss/cycle_B": "the same for B -> A -> B",
    "loss/identity_A": "mean absolute difference between F(a) and a, or G(x) and x; falls; low is no aim in itself",
    "loss/identity_B": "the same for the other generator",
    "loss/discriminator_A": "loss of D_A: 0.25 is guessing, 0 is always right",
    "loss/discriminator_B": "loss of D_B: 0.25 is guessing, 0 is always right",
    "loss/gradient_penalty_A": "D_A's gradient penalty without its weight, when it was computed last",
    "loss/gradient_penalty_B": "the same for D_B",
    "loss/extra": "the term of loss.extra without its weight, if the config has one",
    "change_AtoB": "mean absolute difference between G(a) and a: near 0 the generator copies its input",
    "change_BtoA": "the same for F(b) and b",
    "epoch": "the pass over the larger domain, counted from 1",
    "learning_rate": "Adam's learning rate",
    "discriminator_learning_rate": "that of the discriminators, if the config has one of their own",
    "gradient_norm_generators": "norm of both generators' gradients before it is clipped, with optimizer.clip",
    "gradient_norm_discriminators": "the same for both discriminators",
    "pairs_per_second": "image pairs trained per second",
    "waiting_for_data": "share of time, 0 to 1, in which the step waits for images: above 0.05 raise data.threads",
}
"""One sentence for each metric of a step, by its name in TensorBoard and in `metrics.jsonl`."""

OTHER_LOSSES: Final[Mapping[GanLoss, Mapping[str, str]]] = {
    "vanilla": {
        "loss/discriminators": "total loss of both discriminators: as a sum over the domains 1.39 is guessing, 0 is "
        "perfect",
        "loss/gan_AtoB": "how far D_B is from taking G(A) for real: 0 fools it, 0.69 leaves it in doubt; it hovers",
        "loss/discriminator_A": "loss of D_A: 0.69 is guessing, 0 is always right",
        "loss/discriminator_B": "loss of D_B: 0.69 is guessing, 0 is always right",
    },
    "hinge": {
        "loss/discriminators": "total loss of both discriminators: as a sum over the domains 2 is guessing, 0 is "
        "perfect",
        "loss/gan_AtoB": "minus D_B's score of G(A): -1 fools it, 1 does not; no bound, it hovers",
        "loss/discriminator_A": "loss of D_A: 1 is guessing, 0 is always right",
        "loss/discriminator_B": "loss of D_B: 1 is guessing, 0 is always right",
    },
    "wgangp": {
        "loss/discriminators": "total loss of both discriminators, with their penalties; only its changes count",
        "loss/gan_AtoB": "minus D_B's score of G(A); its zero means nothing, only its changes count",
        "loss/discriminator_A": "minus half of how far D_A scores real images above generated ones: 0 is guessing",
        "loss/discriminator_B": "the same for D_B",
    },
}
"""The sentences that are others with another adversarial loss than `lsgan`."""

SCORES: Final = {
    "pixel_accuracy": "share of pixels with the right class; higher is better",
    "class_accuracy": "share of right pixels of each class, mean over classes; higher is better",
    "class_iou": "intersection over union of each class, mean over classes; higher is better",
    "l1": "mean absolute difference of the reconstruction; lower is better, and a copying generator wins it",
    "psnr": "peak signal-to-noise ratio of the reconstruction, dB; higher is better",
    "ssim": "structural similarity of the reconstruction, at most 1; higher is better",
    "paired/l1": "mean absolute difference between a translation and its partner; lower is better, blur helps",
    "paired/psnr": "peak signal-to-noise ratio of a translation against its partner, dB; higher is better",
    "paired/ssim": "structural similarity of a translation and its partner, at most 1; higher is better",
    "change": "mean absolute difference between a translation and its input: near 0 is copying",
    "fid": "Frechet distance between the features of generated and real images; lower is better, biased for few images",
    "kid": "kernel distance between the same features, unbiased for few images; lower is better",
}
"""One sentence for each score of an evaluation, by the last part of its name; `paired/` holds for both directions."""


def describe(name: str, gan: GanLoss = "lsgan") -> str:
    """The sentence for a logged number; empty for one that has none, such as a score of the user's own.

    Args:
        name: its name in TensorBoard.
        gan: the run's adversarial loss.
    """
    if name in METRICS:
        return OTHER_LOSSES.get(gan, {}).get(name, METRICS[name])
    table, _, last = name.removeprefix("eval/").rpartition("/")
    last = f"paired/{last}" if table.startswith("paired_") else last
    return next((text for key, text in SCORES.items() if last == key or last.startswith(f"{key}_")), "")
