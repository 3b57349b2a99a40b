"""Peak memory and time of the translation of huge TIFF images, window by window.

    python -m benchmarks.huge_images --size 3000x4000 9000x12000 --width 4 --blocks 1 --folder build
    python -m benchmarks.huge_images --size 40000x60000 --folder /a/large/disk
    python -m benchmarks.huge_images --size 1536x2048 --blocks 3 --width 4 --tile 512 --window 128
        --samples 64 --compare

Each size is HEIGHTxWIDTH. The images are mosaics of drawn street scenes, made tile by tile. Sizes are translated in the
order given, so give the smallest first: the peak is that of the process so far. `--compare` also measures how far the
result is from that of the whole image, which must fit into memory. The last line is JSON.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from cyclegan_jax.devices import backend

backend.set_xla_flags()

import jax
import numpy as np
import tifffile
from flax import nnx
from jaxtyping import UInt8

from cyclegan_jax import load_generator
from cyclegan_jax.config import GeneratorConfig, TrainConfig
from cyclegan_jax.console import timed_bar
from cyclegan_jax.data.streets.scene import draw_scene
from cyclegan_jax.inference import any_size, huge_images
from cyclegan_jax.inference.generator import Generator
from cyclegan_jax.networks import cyclegan

TILE = 512
"""Side of the tiles of the input file."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", nargs="+", required=True)
    parser.add_argument("--run", type=Path, help="a trained run; without it a fresh network is used")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--blocks", type=int, default=9)
    parser.add_argument("--tile", type=int)
    parser.add_argument("--window", type=int, default=512, help="side of the windows for the statistics")
    parser.add_argument("--samples", type=int, help="number of these windows")
    parser.add_argument("--folder", type=Path, default=Path(), help="where to write; a temporary folder is made there")
    parser.add_argument("--compare", action="store_true")
    args = parser.parse_args()
    generator = load_generator(args.run, "BtoA") if args.run else fresh(GeneratorConfig(args.blocks, args.width))
    least_inside = args.window // 2
    with mock.patch.multiple(huge_images, _WINDOW=args.window, _LEAST_INSIDE=least_inside):
        translator = huge_images.WindowByWindow(generator, args.tile)
    results = []
    with tempfile.TemporaryDirectory(dir=args.folder) as made:
        source, target = Path(made) / "in.tif", Path(made) / "out.tif"
        for size in args.size:
            height, width = map(int, size.split("x"))
            write_mosaic(source, height, width)
            begin = time.perf_counter()
            translator.translate(source, target, bar=timed_bar, samples=args.samples)
            seconds = time.perf_counter() - begin
            results.append({"size": size, "seconds": seconds, "peak_mib": peak_mib()})
            print(
                f"{size}: {seconds:,.1f} s, {height * width / seconds / 1e6:.2f} million pixels/s, "
                f"peak of the process {results[-1]['peak_mib']:,.0f} MiB"
            )
            if args.compare:
                results[-1]["differences"] = differences(generator, source, target)
    print(json.dumps(results))


def fresh(config: GeneratorConfig) -> Generator:
    """A generator with fresh weights."""
    whole = TrainConfig(generator=config)
    network = cyclegan.make_generator(whole, "AtoB", jax.random.key(0), None)
    return Generator(whole, "AtoB", 0, nnx.graphdef(network), nnx.to_pure_dict(nnx.state(network, nnx.Param)))


def write_mosaic(file: Path, height: int, width: int) -> None:
    """Write a tiled BigTIFF file of street scenes, each of another brightness, from a few that are drawn."""
    scenes = [draw_scene(seed, TILE).photo for seed in range(8)]
    rng = np.random.default_rng(0)

    def tiles() -> Iterator[UInt8[np.ndarray, "H W 3"]]:
        while True:
            scene = scenes[rng.integers(len(scenes))]
            yield np.clip(scene * rng.uniform(0.5, 1.2) + rng.uniform(-20, 20), 0, 255).astype(np.uint8)

    shape = (height, width, 3)
    tifffile.imwrite(
        file,
        tiles(),
        shape=shape,
        dtype="uint8",
        tile=(TILE, TILE),
        bigtiff=True,
        photometric="rgb",
        compression="zlib",
        buffersize=2**26,
    )


def differences(generator: Generator, source: Path, target: Path) -> dict[str, float]:
    """Mean absolute difference, in 8-bit steps, to the result with the statistics of the whole image."""
    results, image = {"windows": tifffile.imread(target)}, tifffile.imread(source)
    for share in (1, 2, 8, 29):
        with mock.patch.object(any_size, "OVERVIEW", max(image.shape) // share):
            results[f"the image scaled to 1/{share}"] = np.asarray(generator.translate(image))
    exact = results.pop("the image scaled to 1/1").astype(np.int16)
    found = {name: float(np.abs(values - exact).mean()) for name, values in results.items()}
    print(f"  the standard deviation of the result is {exact.std():.1f}")
    for name, difference in found.items():
        print(f"  statistics from {name}: {difference:.3f} of 255 from the whole image's")
    return found


def peak_mib() -> float:
    """The most memory that this process has had in RAM so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


if __name__ == "__main__":
    main()
