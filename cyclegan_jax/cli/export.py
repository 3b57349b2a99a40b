"""`cyclegan-jax export`: write one generator of a run as a file or folder of its own."""

from pathlib import Path
from typing import Literal

from cyclegan_jax import files
from cyclegan_jax.errors import UserError


def export(
    run: Path,
    output: Path,
    direction: Literal["AtoB", "BtoA"] | None = None,
    step: int | Literal["best"] | None = None,
    metric: str | None = None,
    format: Literal["folder", "safetensors"] | None = None,
    overwrite: bool = False,
    push: str | None = None,
    private: bool = False,
) -> None:
    """Write one generator, without the rest of its run: for translating elsewhere, sharing and publishing.

    A folder holds model.safetensors, config.json and a model card, as on the Hugging Face hub; the .safetensors file
    alone is enough for load_generator and for --run of `cyclegan-jax translate`.

    Args:
        run: work directory of a run, folder of one checkpoint, or an exported generator, also one on the Hugging Face
            hub: hf://USER/NAME or hf://USER/NAME@REVISION.
        output: folder or file to write.
        direction: direction of the translation; default: AtoB, and that of an exported generator.
        step: checkpoint to use: a step, or best; default: the newest.
        metric: with --step=best, the score that decides, if the scores disagree.
        format: format of the output; default: safetensors for a name that ends so, otherwise a folder.
        overwrite: replace what is there.
        push: also write the generator to the Hugging Face hub, as USER/NAME or USER/NAME@BRANCH.
        private: make the model of --push private, if it is new.
    """
    # JAX reads its flags when it is imported; main.py sets them before it calls this function.
    from cyclegan_jax.checkpoints import folders
    from cyclegan_jax.exchange import hub, pretrained
    from cyclegan_jax.inference.generator import load_generator

    if push is not None:
        hub.address(push)  # refuses another form before anything is written
    elif private:
        raise UserError("--private says how --push makes a model: give --push USER/NAME too, or leave --private out")
    output = files.expand(output)
    kind = format or ("safetensors" if output.suffix == ".safetensors" else "folder")
    with files.naming("--output"):
        taken = files.exists(output / pretrained.WEIGHTS if kind == "folder" else output)
    if taken and not overwrite:
        raise UserError(f"{output} exists already: choose another --output, or replace it with --overwrite")
    with files.naming("--run"):
        generator = load_generator(run, direction, step, metric=metric)
    workdir = run.absolute().parent.parent if folders.is_in_run(run) else run
    scores, pictures = _scores(workdir, generator.step), _sample(workdir, generator.step)
    if kind == "folder":
        generator.save_pretrained(output, scores=scores, pictures=pictures, overwrite=overwrite)
    else:
        _write(output, pretrained.encode(generator.pretrained))
    size = sum(path.stat().st_size for path in (output.iterdir() if output.is_dir() else [output]))
    print(f"{output}: {generator.direction} of step {generator.step:,}, {size / 1e6:.1f} MB")
    if push is not None:
        print(f"pushed: {generator.push_to_hub(push, private=private or None, scores=scores, pictures=pictures)}")


def _write(output: Path, content: bytes) -> None:
    try:
        files.make_folder(output.absolute().parent)
        files.write_atomically(output, content)
    except OSError as error:
        raise UserError(f"{output} cannot be written ({error.strerror or error}): give another --output") from error


def _scores(run: Path, step: int) -> dict[str, float]:
    """The scores of a run's checkpoint; none where `run` is no run, or was not evaluated."""
    from cyclegan_jax.checkpoints import scores

    found = {name: entry["values"].get(str(step)) for name, entry in scores.read(run).items()}
    return {name: value for name, value in found.items() if value is not None}


def _sample(run: Path, step: int) -> dict[str, bytes]:
    """The newest grid of sample images that is not newer than the checkpoint, for the model card."""
    # The grid of step 0 shows what untrained networks make.
    first, last = f"step_{min(step, 1):07d}", f"step_{step:07d}"
    grids = [path for path in files.entries(run / "samples") if first <= path.stem <= last]
    return {"samples.png": files.read_bytes(grids[-1])} if grids else {}
