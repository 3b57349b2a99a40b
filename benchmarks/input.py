"""Compare the speed of our input pipeline with torch.utils.data and Pillow on the same work, taking turns.

    python -m benchmarks.input

Both read JPEGs of 256x256 pixels, made of drawn street scenes, resize them to 286, crop 256 and flip half of them. The
result is images per second of both domains together, as uint8 batches: from a folder, from a TFDS set, and with decoded
images cached in memory, from the second epoch on. The last line is JSON.
"""

import argparse
import dataclasses
import io
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from cyclegan_jax.config import DataConfig, TrainConfig
from cyclegan_jax.data.batches import train_iterator
from cyclegan_jax.data.dataset import Dataset
from cyclegan_jax.data.open_dataset import open_dataset
from cyclegan_jax.data.streets.scene import draw_scene

SIZE, LOAD_SIZE = 256, 286


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=300, help="images per domain")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2, help="threads of our pipeline, processes of PyTorch's")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        draw(root, args.images)
        data = DataConfig(dir=folder, image_size=SIZE, load_size=LOAD_SIZE, threads=args.workers)
        config = TrainConfig(data=data, batch_size=args.batch)
        cached = dataclasses.replace(config, data=dataclasses.replace(data, cache_gib=4.0))
        folders = open_dataset(data)
        records = as_tfds(root, folders)
        runs: dict[str, Iterator[Any]] = {
            "ours, folder": ours(folders, config),
            "ours, TFDS": ours(records, config),
            "torch, folder": torch_batches(root, args.batch, args.workers),
            "ours, cached": ours(folders, cached),
        }
        counted = dict.fromkeys(runs, args.images // args.batch)
        # Warm up: start threads and processes, and fill the cache, which takes an epoch and its mirror images more.
        for name, batches in runs.items():
            take(batches, 4 * counted[name] if name == "ours, cached" else args.workers * 2)
        rates: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(args.rounds):
            for name, batches in runs.items():
                # From the cache, a batch takes a few percent of the time.
                number = counted[name] * (10 if name == "ours, cached" else 1)
                time.sleep(0.5)  # let the previous pipeline fill its buffers, so that it uses no CPU time afterwards
                take(batches, 2 * args.workers + 8)  # empty this one's buffers, which were filled before the timing
                begin = time.perf_counter()
                take(batches, number)
                rates[name].append(2 * args.batch * number / (time.perf_counter() - begin))
        report(rates)


def report(rates: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(values) for name, values in rates.items()}
    base = medians["torch, folder"]
    print("| input | images/s | against torch |\n|---|---:|---:|")
    for name, median in medians.items():
        print(f"| {name} | {median:,.0f} | {median / base:.2f} |")
    ratios = {
        "folder_over_torch": medians["ours, folder"] / base,
        "tfds_over_torch": medians["ours, TFDS"] / base,
        "cached_over_torch": medians["ours, cached"] / base,
        "cached_over_plain": medians["ours, cached"] / medians["ours, folder"],
    }
    print(json.dumps({name: round(ratio, 2) for name, ratio in ratios.items()}))


def take(batches: Iterator[Any], number: int) -> None:
    for _ in range(number):
        next(batches)


def draw(root: Path, number: int) -> None:
    for domain, first in (("A", 0), ("B", 10_000)):
        folder = root / f"train{domain}"
        folder.mkdir()
        # Drawing is slow: a few scenes, with a different crop for each file.
        scenes = [draw_scene(first + i, 2 * SIZE).photo for i in range(10)]
        rng = np.random.default_rng(first)
        for i in range(number):
            top, left = rng.integers(0, SIZE, 2)
            crop = scenes[i % len(scenes)][top : top + SIZE, left : left + SIZE]
            Image.fromarray(crop).save(folder / f"{i:05d}.jpg", quality=90)


def as_tfds(root: Path, folders: Dataset) -> Dataset:
    """Store the same files as a TFDS data set of encoded images."""
    import tensorflow_datasets as tfds

    from cyclegan_jax.data.sets import tfds_store

    class Photos(tfds_store.ImageBuilder, skip_registration=True):
        """The files of a folder."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            return self._image_info(tfds.features.Image(shape=(None, None, 3)))

        def _split_generators(self, dl_manager: Any) -> Any:
            return {split: self._generate_examples(split) for split in ("trainA", "trainB")}

        def _generate_examples(self, split: str) -> Any:
            images = folders.train_A if split == "trainA" else folders.train_B
            for i in range(len(images)):
                example = images[i]
                yield i, {"image": io.BytesIO(example.encoded), "filename": example.name}

    # TFDS looks up the package of the builder's module, which is __main__ under `python -m`.
    Photos.__module__ = "benchmarks.input"
    builder: Any = Photos(data_dir=str(root / "tfds"), file_format="array_record")
    tfds_store.prepare(builder)
    records = tfds_store.encoded_records(builder)
    return Dataset(tfds_store.StoredSplit(records["trainA"]), tfds_store.StoredSplit(records["trainB"]))


def ours(dataset: Dataset, config: TrainConfig) -> Iterator[Any]:
    return iter(train_iterator(dataset, config))


class Unpaired(torch.utils.data.Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Two folders as PyTorch code bases read them: an image of A by index and a random one of B; not normalized."""

    def __init__(self, root: Path):
        """List the files in trainA and trainB."""
        self.files = {domain: sorted((root / f"train{domain}").iterdir()) for domain in "AB"}

    def __len__(self) -> int:
        return len(self.files["A"])

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        other = int(torch.randint(len(self.files["B"]), ()))
        return self._load(self.files["A"][index]), self._load(self.files["B"][other])

    def _load(self, path: Path) -> torch.Tensor:
        with Image.open(path) as file:
            picture = file.convert("RGB").resize((LOAD_SIZE, LOAD_SIZE), Image.Resampling.BICUBIC)
        left, top = (int(torch.randint(LOAD_SIZE - SIZE + 1, ())) for _ in range(2))
        picture = picture.crop((left, top, left + SIZE, top + SIZE))
        if torch.rand(()) < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return torch.from_numpy(np.array(picture))


def torch_batches(root: Path, batch: int, workers: int) -> Iterator[Any]:
    """Return endless batches from persistent worker processes."""
    dataset = Unpaired(root)
    sampler = torch.utils.data.RandomSampler(dataset, replacement=False, num_samples=10**9)
    loader = torch.utils.data.DataLoader(
        dataset, batch, sampler=sampler, num_workers=workers, prefetch_factor=4, drop_last=True
    )
    return iter(loader)


if __name__ == "__main__":
    main()
