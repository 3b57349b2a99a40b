"""`cyclegan-jax translate`: translate image files, or a video, with a trained generator."""

import datetime
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from cyclegan_jax import console, files
from cyclegan_jax.cli.exit_status import SKIPPED
from cyclegan_jax.config import OPPOSITE, Direction
from cyclegan_jax.config_checks import Limits, require
from cyclegan_jax.errors import UserError

if TYPE_CHECKING:
    from cyclegan_jax.inference.file_plan import Plan
    from cyclegan_jax.inference.generator import Generator


def translate(
    run: Path,
    input: str,
    output: Path,
    direction: Literal["AtoB", "BtoA"] | None = None,
    step: int | str | None = None,
    metric: str | None = None,
    format: Literal["png", "jpg", "webp"] | None = None,
    max_size: int | None = None,
    batch_size: int | None = None,
    tile: int | None = None,
    overwrite: bool = False,
    skip_existing: bool = False,
    gallery: bool = False,
    mask: Path | None = None,
    statistics: Literal["image", "clip"] | None = None,
) -> int:
    """Translate image files, or a video, with a run's generator; file names and sub-folders are kept.

    TIFF files of more than 178 million pixels are translated window by window, and become tiled TIFF files. The exit
    status is 1 if a file could not be read and was skipped.

    Args:
        run: work directory of a run, folder of one checkpoint, or an exported generator, also one on the Hugging Face
            hub: hf://USER/NAME or hf://USER/NAME@REVISION.
        input: image file, folder, or quoted pattern such as 'photos/*.jpg'; or a video file.
        output: folder for the translated images or the video; or a video file: .mp4, .m4v, .mov, .mkv, .webm; for one
            TIFF file of more than 178 million pixels also a .tif file.
        direction: direction of the translation; default: AtoB, and that of an exported generator.
        step: checkpoint or snapshot to use: a step, the end of an epoch such as epoch:20, or best; default: the newest
            checkpoint.
        metric: with --step=best, the score that decides, if the scores disagree.
        format: file format of the translated images; default: PNG, JPEG and WebP files keep theirs, others become PNG.
        max_size: before the translation, scale images down so that no side is longer than this many pixels.
        batch_size: number of images translated at once; large images are translated in smaller batches; default: 8,
            and on CPU fewer for images above 64x64 pixels, which are faster one by one there.
        tile: images with a side above 2048 pixels are translated in tiles of this many pixels; smaller tiles need less
            memory; default: 1024, and more for U-Nets, which see farther.
        overwrite: replace existing files.
        skip_existing: skip images whose translation exists and is whole, for example to resume after an interruption.
        gallery: also write OUTPUT/gallery.html, a page with inputs, outputs and, of a run, reconstructions.
        mask: image file, or folder of image files named like the inputs, with what to translate in white; where it is
            black the input stays, and gray mixes both.
        statistics: image: the instance norms normalise each image by itself, as in training; clip: all images, which
            are frames of one size, by the same statistics, so that brightness does not flicker; default: clip for a
            video, image for image files.
    """
    # JAX reads its flags when it is imported; main.py sets them before it calls this function.
    from cyclegan_jax.data import skipped
    from cyclegan_jax.inference import huge_images, masks, translate_files, translate_video

    _check_numbers({"--batch_size": batch_size, "--tile": tile, "--max_size": max_size})
    if overwrite and skip_existing:
        raise UserError("--overwrite and --skip_existing exclude each other: give only one of them")
    if translate_video.is_video(input, output):
        _refuse({"--gallery": gallery, "--format": format, "--skip_existing": skip_existing}, "videos")
        path, target = translate_video.plan(input, output, overwrite=overwrite)
        generator, _ = _load(run, direction, step, metric, both=False)
        video = translate_video.translate_video(
            generator,
            path,
            target,
            steady=statistics != "image",
            mask=mask,
            batch_size=batch_size,
            tile=tile,
            max_size=max_size,
            progress=console.progress_bar,
        )
        print("\n".join(map(console.one_line, video.lines(f"by {generator.direction} of {generator.named}"))))
        return 0
    generator, back = _load(run, direction, step, metric, both=gallery)
    plan = _plan(generator, input, output, format, refuse=not overwrite and not skip_existing)
    if left_out := skipped.left_out_line(plan.left_out):
        print(console.one_line(left_out))
    if plan.huge:
        given = {
            "--mask": mask,
            "--statistics": statistics,
            "--gallery": gallery and len(plan.huge) == len(plan.chosen),
        }
        _refuse(given, f"huge TIFF files such as {min(plan.huge)}")
    missing = _without_existing(plan) if skip_existing else plan.chosen
    ordinary = {file: target for file, target in missing.items() if file not in plan.huge}
    summary = translate_files.translate_files(
        generator,
        ordinary,
        batch_size=batch_size,
        tile=tile,
        max_size=max_size,
        progress=console.progress_bar,
        mask_of=None if mask is None else masks.find(mask, plan.chosen.values(), output),
        # Of all files, so that a translation that continues has the same.
        statistics=translate_files.clip_statistics(generator, plan.chosen, max_size)
        if statistics == "clip" and ordinary
        else None,
    )
    huge = {file: target for file, target in missing.items() if file in plan.huge}
    huge_images.translate_files(generator, huge, summary, tile=tile, max_size=max_size, bar=console.timed_bar)
    *lines, last = summary.lines()
    for line in [*lines, f"{last}, by {generator.direction} of {generator.named}"]:
        print(console.one_line(line))
    if listing := skipped.write(output, [*summary.skipped, *skipped.messages(plan.left_out)]):
        print(f"all files that were not read are named in {listing}")
    if gallery:
        shown = {file: target for file, target in plan.chosen.items() if file not in plan.huge}
        _write_gallery(run, generator, back, shown, output / "gallery.html")
    return SKIPPED if summary.skipped else 0


def _refuse(flags: Mapping[str, object], inputs: str) -> None:
    for name, given in flags.items():
        if given:
            raise UserError(f"{name} is not for {inputs}: leave {name} out, or give other inputs")


def _check_numbers(flags: dict[str, int | None]) -> None:
    limits = Limits(1, 10**6)
    for name, value in flags.items():
        require(value is None or limits.hold(value), name, value, "" if value is None else limits.need(value))


def _load(
    run: Path, direction: Direction | None, step: int | str | None, metric: str | None, *, both: bool
) -> "tuple[Generator, Generator | None]":
    """Load the generator of a direction and, if `both`, that of the other one of the same checkpoint."""
    from cyclegan_jax.checkpoints.opened import Checkpoint, read_from
    from cyclegan_jax.exchange import hub, pretrained
    from cyclegan_jax.inference.generator import Generator, from_checkpoint, load_generator

    def load(checkpoint: Checkpoint) -> tuple[Generator, Generator | None]:
        # Both now: a training that runs may have deleted the checkpoint when the gallery needs the second one.
        forward = from_checkpoint(checkpoint, direction or "AtoB")
        return forward, from_checkpoint(checkpoint, OPPOSITE[forward.direction]) if both else None

    with files.naming("--run"):
        path = files.expand(hub.local(run))
        if pretrained.is_one(path):
            return load_generator(path, direction, step, metric=metric), None
        return read_from(path, step, metric, load)


def _plan(
    generator: "Generator", input: str, output: Path, format: Literal["png", "jpg", "webp"] | None, refuse: bool
) -> "Plan":
    """Plan the translation of each input file; if `refuse`, results that exist raise a `UserError`."""
    from cyclegan_jax.inference import file_plan
    from cyclegan_jax.inference.user_images import output_type

    data, (source, target) = generator.config.data, generator.domains
    kind, bands = output_type(data, target), data.has_bands(target)
    windows = not (bands or data.has_bands(source))
    return file_plan.plan(input, output, format=format, refuse=refuse, kind=kind, bands=bands, windows=windows)


def _without_existing(plan: "Plan") -> dict[Path, Path]:
    """Return the files that have no whole translation yet, and print how many are left out."""
    from cyclegan_jax.data import decode
    from cyclegan_jax.inference import tiff_tiles

    def is_whole(file: Path) -> bool:
        return (tiff_tiles if file in plan.huge else decode).is_whole(chosen[file])

    chosen = plan.chosen
    with ThreadPoolExecutor() as executor:
        whole = dict(zip(chosen, executor.map(is_whole, chosen), strict=True))
    missing = {file: target for file, target in chosen.items() if not whole[file]}
    damaged = sum(files.exists(target) for target in missing.values())
    if len(missing) < len(chosen):
        print(f"{len(chosen) - len(missing):,} of {len(chosen):,} images are translated already")
    if damaged:
        print(f"{damaged:,} {'translation is' if damaged == 1 else 'translations are'} damaged and made again")
    return missing


def _write_gallery(
    run: Path, generator: "Generator", back: "Generator | None", translated: dict[Path, Path], page: Path
) -> None:
    """Write the web page of inputs, translations, and their reconstructions by the same step's other generator."""
    from cyclegan_jax.inference import translate_files
    from cyclegan_jax.inference.gallery import write_gallery

    source, target = generator.domains
    subjects = [f"{domain}: {generator.config.data.subject(domain)}" for domain in ("A", "B")]
    write_gallery(
        page,
        translate_files.gallery_items(translated, generator, back, console.progress_bar),
        title=f"{run.resolve().name} {generator.direction}",
        about=f"{generator.named.capitalize()}. {'; '.join(subjects)}. Translated on {datetime.date.today():%Y-%m-%d}.",
        domains=(source, target),
    )
    print(f"gallery: {page}")
