"""What each logged number means: TensorBoard's descriptions, and the legend in docs/scores.md and the README."""

from typing import Final

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
    "change_AtoB": "mean absolute difference between G(a) and a: near 0 the generator copies its input",
    "change_BtoA": "the same for F(b) and b",
    "learning_rate": "Adam's learning rate",
    "discriminator_learning_rate": "that of the discriminators, if the config has one of their own",
    "gradient_norm_generators": "norm of both generators' gradients before it is clipped, with optimizer.clip",
    "gradient_norm_discriminators": "the same for both discriminators",
    "pairs_per_second": "image pairs trained per second",
    "waiting_for_data": "share of time, 0 to 1, in which the step waits for images: above 0.05 raise data.threads",
}
"""One sentence for each metric of a step, by its name in TensorBoard and in `metrics.jsonl`."""

SCORES: Final = {
    "pixel_accuracy": "share of pixels with the right class; higher is better",
    "class_accuracy": "share of right pixels of each class, mean over classes; higher is better",
    "class_iou": "intersection over union of each class, mean over classes; higher is better",
    "l1": "mean absolute difference of the reconstruction; lower is better, and a copying generator wins it",
    "psnr": "peak signal-to-noise ratio of the reconstruction, dB; higher is better",
    "ssim": "structural similarity of the reconstruction, at most 1; higher is better",
    "change": "mean absolute difference between a translation and its input: near 0 is copying",
    "fid": "Frechet distance between the features of generated and real images; lower is better, biased for few images",
    "kid": "kernel distance between the same features, unbiased for few images; lower is better",
}
"""One sentence for each score of an evaluation, by the last part of its name."""


def describe(name: str) -> str:
    """The sentence for a logged number; empty for one that has none, such as a score of the user's own."""
    if name in METRICS:
        return METRICS[name]
    last = name.removeprefix("eval/").rsplit("/", 1)[-1]
    return next((text for key, text in SCORES.items() if last == key or last.startswith(f"{key}_")), "")
