"""Time the input pipeline beside torch.utils.data with Pillow, which does the same work, taking turns.

    python -m benchmarks.input

Reads JPEGs of 256x256 from a folder and from a TFDS set that it makes of drawn street scenes, resizes them to 286,
crops 256 and mirrors half: images a second of both domains together, as batches of uint8. Then the same with the
decoded images in memory, from the second epoch on. The last line is JSON.
"""

import argparse
import dataclasses
import io
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from cyclegan_jax.config import DataConfig, TrainConfig
from cyclegan_jax.data import pipeline, sources
from cyclegan_jax.data.sources import Sources
from cyclegan_jax.data.streets.scene import draw_scene

SIZE, LOAD_SIZE = 256, 286


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=300, help="in each domain")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2, help="threads of ours, processes of PyTorch's")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        draw(root, args.images)
        data = DataConfig(dir=folder, image_size=SIZE, load_size=LOAD_SIZE, threads=args.workers)
        config = TrainConfig(data=data, batch_size=args.batch)
        cached = dataclasses.replace(config, data=dataclasses.replace(data, cache_gib=4.0))
        folders = sources.open_sources(data)
        records = as_tfds(root, folders)
        # Of each an endless run of batches, past its start and, with the cache, past its first epoch.
        runs: dict[str, Iterator[Any]] = {
            "ours, folder": ours(folders, config),
            "ours, TFDS": ours(records, config),
            "torch, folder": torch_batches(root, args.batch, args.workers),
            "ours, cached": ours(folders, cached),
        }
        counted = dict.fromkeys(runs, args.images // args.batch)
        for name, batches in runs.items():
            take(batches, 4 * counted[name] if name == "ours, cached" else args.workers * 2)
        rates: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(args.rounds):
            for name, batches in runs.items():
                # The cache hands out tens of times more in the same time.
                number = counted[name] * (10 if name == "ours, cached" else 1)
                time.sleep(0.5)  # the one before fills what it prepares ahead
                take(batches, 2 * args.workers + 8)  # what this one had prepared
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
        # A scene takes longer to draw than to read: a few of them, each cut in its own way.
        scenes = [draw_scene(first + i, 2 * SIZE).photo for i in range(10)]
        rng = np.random.default_rng(first)
        for i in range(number):
            top, left = rng.integers(0, SIZE, 2)
            crop = scenes[i % len(scenes)][top : top + SIZE, left : left + SIZE]
            Image.fromarray(crop).save(folder / f"{i:05d}.jpg", quality=90)


def as_tfds(root: Path, folders: Sources) -> Sources:
    """The same files as a TFDS data set of encoded images."""
    import tensorflow_datasets as tfds

    class Photos(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        """The files of a folder."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            features = {"image": tfds.features.Image(shape=(None, None, 3)), "filename": tfds.features.Text()}
            return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features), disable_shuffling=True)

        def _split_generators(self, dl_manager: Any) -> Any:
            return {split: self._generate_examples(split) for split in ("trainA", "trainB")}

        def _generate_examples(self, split: str) -> Any:
            source = folders.train_A if split == "trainA" else folders.train_B
            for i in range(len(source)):
                example = source[i]
                yield i, {"image": io.BytesIO(example.encoded), "filename": example.name}

    Photos.__module__ = "benchmarks.input"  # TFDS looks for the builder's package, and run by -m this is __main__
    tfds.display_progress_bar(enable=False)
    builder: Any = Photos(data_dir=str(root / "tfds"), file_format="array_record")
    builder.download_and_prepare()
    splits = builder.as_data_source(decoders={"image": tfds.decode.SkipDecoding()})

    class Records(Sequence[Any]):
        def __init__(self, records: Any):
            self.records = records

        def __len__(self) -> int:
            return len(self.records)

        def __getitem__(self, index: Any) -> Any:
            record = self.records[index]
            return sources.Example(record["image"], record["filename"].decode())

    return Sources(Records(splits["trainA"]), Records(splits["trainB"]), (), ())


def ours(data: Sources, config: TrainConfig) -> Iterator[Any]:
    return iter(pipeline.train_iterator(data, config))


class Unpaired(torch.utils.data.Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Two folders as PyTorch code bases read them: an image of A by its index, a random one of B, no normalization."""

    def __init__(self, root: Path):
        """Over the folders trainA and trainB."""
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
    """Batches without end from worker processes that stay."""
    dataset = Unpaired(root)
    sampler = torch.utils.data.RandomSampler(dataset, replacement=False, num_samples=10**9)
    loader = torch.utils.data.DataLoader(
        dataset, batch, sampler=sampler, num_workers=workers, prefetch_factor=4, drop_last=True
    )
    return iter(loader)


if __name__ == "__main__":
    main()
