"""The model card of an exported generator: what it translates, how it was trained, its scores, and how to use it."""

from collections.abc import Mapping

from cyclegan_jax import config_paths
from cyclegan_jax.config import GeneratorConfig
from cyclegan_jax.exchange.pretrained import Pretrained

_FRONT_MATTER = """---
library_name: cyclegan-jax
pipeline_tag: image-to-image
tags:
- cyclegan
- jax
- unpaired-image-to-image-translation
---
"""


def model_card(
    model: Pretrained, scores: Mapping[str, float], picture: str | None, name: str, address: str = "THIS_FOLDER"
) -> str:
    """Write the card, in Markdown with the front matter of the Hugging Face hub.

    Args:
        model: the generator.
        scores: the scores of its checkpoint by metric; may be empty.
        picture: the file name of a picture beside the card, or None.
        name: the heading.
        address: what loads the generator.
    """
    config = config_paths.names_only(model.config)
    data = config.data
    domains = model.domains
    source, target = map(data.subject, domains)
    data_name = data.name or data.dir or data.source
    weights = "a moving average of them" if config.ema_decay else "as they are"
    rows = {
        "translates": f"{source} -> {target}",
        "direction": model.direction,
        "training images": f"{data_name}, {data.image_size} pixels",
        "training steps": f"{model.step:,}, batch size {config.pairs_per_step}",
        "generator": f"{_architecture(config.generator)}, width {config.generator.width}, {weights}",
        "cycle weights": f"{config.loss.cycle_weight_A:g} and {config.loss.cycle_weight_B:g}",
        "identity weight": f"{config.loss.identity_weight:g}",
        "channels": f"{data.channels(domains[0])} in, {data.channels(domains[1])} out",
    }
    parts = [
        _FRONT_MATTER,
        f"# {name}\n",
        f"A CycleGAN generator ([paper](https://arxiv.org/abs/1703.10593)): it turns {source} into {target}. It was "
        "trained without pairs of images.\n",
        *([f"![samples]({picture})\n"] if picture else []),
        "```python\nimport cyclegan_jax\n\n"
        f'generator = cyclegan_jax.load_generator("{address}")\n'
        'generator.translate("photo.jpg").save("translated.png")\n```\n',
        "| | |\n|---|---|\n" + "".join(f"| {key} | {value} |\n" for key, value in rows.items()),
    ]
    if scores:
        parts.append("Scores on the test images:\n")
        parts.append("| score | value |\n|---|---:|\n" + "".join(f"| {k} | {v:.4g} |\n" for k, v in scores.items()))
    parts.append(
        "The input is scaled to [-1, 1]. A CycleGAN invents what it does not see: do not take its output for a "
        "measurement.\n"
    )
    return "\n".join(parts)


def _architecture(config: GeneratorConfig) -> str:
    return f"a U-Net of depth {config.depth}" if config.kind == "unet" else f"{config.blocks} residual blocks"
