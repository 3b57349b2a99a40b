"""`cyclegan-jax export`: write one generator of a run as a file or folder of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from cyclegan_jax import files, live
from cyclegan_jax.errors import UserError

if TYPE_CHECKING:
    from cyclegan_jax.exchange.pretrained import Pretrained
    from cyclegan_jax.inference.generator import Generator

Format = Literal["folder", "safetensors", "torch", "onnx", "stablehlo"]
_SUFFIXES: Final[dict[str, Format]] = {
    ".safetensors": "safetensors",
    ".pth": "torch",
    ".onnx": "onnx",
    ".stablehlo": "stablehlo",
}


def export(
    run: Path,
    output: Path,
    direction: Literal["AtoB", "BtoA"] | None = None,
    step: int | str | None = None,
    metric: str | None = None,
    format: Format | None = None,
    uint8: bool = False,
    overwrite: bool = False,
    push: str | None = None,
    private: bool = False,
) -> None:
    """Write one generator, without the rest of its run: for translating elsewhere, sharing and publishing.

    A folder holds model.safetensors, config.json and a model card, as on the Hugging Face hub; the .safetensors file
    alone is enough for load_generator and for --run of `cyclegan-jax translate`. A .pth file loads in PyTorch, into the
    networks of the official code. An .onnx file runs without JAX, a .stablehlo file without this package; both are
    compared with the generator before they are written.

    Args:
        run: work directory of a run, folder of one checkpoint, or an exported generator, also one on the Hugging Face
            hub: hf://USER/NAME or hf://USER/NAME@REVISION.
        output: folder or file to write.
        direction: direction of the translation; default: AtoB, and that of an exported generator.
        step: checkpoint or snapshot to use: a step, the end of an epoch such as epoch:20, or best; default: the newest
            checkpoint.
        metric: with --step=best, the score that decides, if the scores disagree.
        format: format of the output; default: that of the name's ending .safetensors, .pth, .onnx or .stablehlo,
            otherwise a folder. torch, with a folder, writes all networks of a run by their official names, or with
            --direction the generator alone.
        uint8: of an ONNX file, take and return images as files hold them: uint8, channels last.
        overwrite: replace what is there.
        push: also write the generator to the Hugging Face hub, as USER/NAME or USER/NAME@BRANCH.
        private: make the model of --push private, if it is new.
    """
    # JAX reads its flags when it is imported; main.py sets them before it calls this function.
    from cyclegan_jax.checkpoints import folders
    from cyclegan_jax.exchange import agreement, hub, pretrained
    from cyclegan_jax.inference.generator import load_generator

    if push is not None:
        hub.address(push)  # refuses another form before anything is written
    elif private:
        raise UserError("--private says how --push makes a model: give --push USER/NAME too, or leave --private out")
    output = files.expand(output)
    kind = _format(output, format, uint8)
    _check_installed(kind)
    with files.naming("--output"):
        taken = files.exists(output / pretrained.WEIGHTS if kind == "folder" else output)
    if taken and not overwrite:
        raise UserError(f"{output} exists already: choose another --output, or replace it with --overwrite")
    with files.naming("--run"):
        generator = load_generator(run, direction, step, metric=metric)
        agreement.check_finite(generator.pretrained)
    scores: dict[str, float] = {}
    pictures: dict[str, bytes] = {}
    if kind == "folder" or push is not None:  # which have a model card
        workdir = run.absolute().parent.parent if folders.is_in_run(run) else run
        scores, pictures = _scores(workdir, generator.step), _sample(workdir, generator.step)
    lines: list[str] = []
    if kind == "folder":
        generator.save_pretrained(output, scores=scores, pictures=pictures, overwrite=overwrite)
    else:
        contents, lines = _contents(kind, output, generator, run if direction is None else None, uint8)
        _write(contents)
    size = sum(path.stat().st_size for path in (output.iterdir() if output.is_dir() else [output]))
    print(f"{output}: {generator.direction} of {generator.named}, {size / 1e6:.1f} MB")
    for line in lines:
        print(line)
    if push is not None:
        print(f"pushed: {generator.push_to_hub(push, private=private or None, scores=scores, pictures=pictures)}")


def _format(output: Path, format: Format | None, uint8: bool) -> Format:
    """The format that --format or the ending of --output names."""
    by_suffix = _SUFFIXES.get(output.suffix, "folder")
    kind = format or by_suffix
    if kind != by_suffix and (kind, by_suffix) != ("torch", "folder"):
        endings = {name: suffix for suffix, name in _SUFFIXES.items()}
        need = f"a name that ends in {endings[kind]}" if kind in endings else "a name without that ending"
        raise UserError(f"--output is {output}, but --format is {kind}: give --output {need}, or leave out --format")
    if uint8 and kind != "onnx":
        raise UserError(
            f"--uint8 is for ONNX files, but the format is {kind}: leave out --uint8, or write an .onnx file"
        )
    return kind


def _contents(
    kind: Format, output: Path, generator: "Generator", run: Path | None, uint8: bool
) -> tuple[dict[Path, bytes], list[str]]:
    """The content of the files of a format by path, and what to print; `run` is that of `_torch`."""
    from cyclegan_jax.exchange import pretrained

    if kind == "torch":
        return _torch(output, generator, run)
    if kind == "onnx" or kind == "stablehlo":
        with live.drawn():
            content, lines = _program(kind, generator.pretrained, uint8)
        return {output: content}, lines
    return {output: pretrained.encode(generator.pretrained)}, []


def _torch(output: Path, generator: "Generator", run: Path | None) -> tuple[dict[Path, bytes], list[str]]:
    """The content of PyTorch's files by path, and what to print.

    Args:
        output: one file, or a folder for files of their official names.
        generator: the generator.
        run: where a folder should hold the other networks too, the run or exported generator that was given.
    """
    from cyclegan_jax.checkpoints.opened import UntrainedError
    from cyclegan_jax.exchange import hub, pretrained, torch_export, torch_names
    from cyclegan_jax.inference.discriminator import load_discriminator
    from cyclegan_jax.inference.generator import load_generator

    config, step = generator.config, generator.step
    lone: torch_names.Slot = ("generators", generator.direction)
    own = torch_export.encode(generator.params, config, lone)
    if output.suffix == ".pth":
        return {output: own}, []
    if run is None or hub.local(run) != run or pretrained.is_one(run):
        path = output / "latest_net_G.pth"  # which the official code tests by --model test
        return {path: own}, [f"{path}: {torch_names.told(lone)}"]
    contents, lines = {}, []
    for slot in torch_names.OFFICIAL.values():
        load: Any = load_generator if slot[0] == "generators" else load_discriminator
        path = output / torch_export.file_name(config, slot, step)
        try:
            contents[path] = own if slot == lone else torch_export.encode(load(run, slot[1], step).params, config, slot)
        except UntrainedError:
            lines.append(f"left out, since it was never trained: {torch_names.told(slot)}")
            continue
        lines.append(f"{path}: {torch_names.told(slot)}")
    return contents, lines


def _check_installed(kind: Format) -> None:
    """Refuse a format whose packages are missing, before anything is loaded."""
    from cyclegan_jax.exchange import onnx_file, stablehlo

    if kind == "onnx":
        onnx_file.check_installed()
    elif kind == "stablehlo":
        stablehlo.check_installed()


def _program(kind: Literal["onnx", "stablehlo"], model: "Pretrained", uint8: bool) -> tuple[bytes, list[str]]:
    """The content of a file of a program, compared with the generator, and what to print of both."""
    import jax

    from cyclegan_jax.exchange import agreement, onnx_file, stablehlo

    with live.showing(f"writing the generator as {kind}"):
        content = onnx_file.encode(model, uint8=uint8) if kind == "onnx" else stablehlo.encode(model)
    program = onnx_file.load(content, uint8=uint8) if kind == "onnx" else stablehlo.load(content)
    with live.showing("comparing it with the generator"):
        worst = agreement.check(program, model, uint8=uint8)
    with live.showing("measuring both"):
        taken = agreement.latency(program, model, uint8=uint8)
    device = jax.default_backend()
    runtime = "ONNX Runtime on cpu" if kind == "onnx" else f"StableHLO on {device}"
    difference = f"{worst:.0f} of 255 levels" if uint8 else f"{worst:.1e}, outputs are in [-1, 1]"
    return content, [
        f"largest difference from the generator: {difference}",
        f"one image of {taken.side}x{taken.side}: {runtime} {taken.exported:,.0f} ms, "
        f"cyclegan-jax on {device} {taken.own:,.0f} ms",
    ]


def _write(contents: Mapping[Path, bytes]) -> None:
    output = next(iter(contents))
    try:
        files.make_folder(output.absolute().parent)
        with files.writing_together() as write:
            for path, content in contents.items():
                write(path, content)
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
    grids = [path for path in files.entries(run / "samples") if first <= path.stem.partition("_epoch")[0] <= last]
    return {"samples.png": files.read_bytes(grids[-1])} if grids else {}
