"""Paths that cannot be read, given to every flag that takes one; run as a program, it runs the cases and prints JSON.

The program runs as a user who may not read everything, without a home folder, and calls the command line in process:
the imports take seconds, a case takes milliseconds.
"""

import contextlib
import ctypes
import dataclasses
import io
import json
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

USER = 54321
"""A user without an entry in /etc/passwd, and so without a home folder."""

_PR_SET_DUMPABLE = 4
"""Of the system call prctl."""

CONFIG = """
from cyclegan_jax.config import DataConfig, DiscriminatorConfig, GeneratorConfig, TrainConfig


def get_config():
    return TrainConfig(
        data=DataConfig(dir={photos!r}, image_size=16, load_size=18, threads=1),
        generator=GeneratorConfig(blocks=0, width=2),
        discriminator=DiscriminatorConfig(width=2, n_layers=1),
        steps=2,
    )
"""

DENIED = "Permission denied"
ABSENT = "no such|there is no|is missing|has no checkpoints|cannot be written|Not a directory"


@dataclasses.dataclass(frozen=True)
class Case:
    """A command with one path that cannot be read.

    Attributes:
        name: the flag and the obstacle.
        args: the command line.
        holds: what its error sentence must contain.
        reason: a pattern that the sentence must match.
        status: the exit status.
        may_write: the work directory of a run that begins before the obstacle is found.
    """

    name: str
    args: list[str]
    holds: str
    reason: str
    status: int = 2
    may_write: str | None = None


@dataclasses.dataclass(frozen=True)
class Result:
    """What a case printed, how it ended, and which files it made or changed."""

    status: int | None
    out: str
    error: str
    traceback: str
    changed: list[str]


def make(root: Path, run: Path) -> None:
    """Make what the cases point to in `root`, which is open to everybody; `run` is a run with a checkpoint."""
    (root / "config.py").write_text(CONFIG.format(photos=str(root / "photos")))
    (root / "writable").mkdir()
    (root / "writable").chmod(0o777)
    for ending in ("", ".onnx"):
        (root / f"file{ending}").write_text("no folder")
    (root / "locked").mkdir()
    for ending in ("", ".py", ".onnx", ".pth", ".png"):
        (root / f"closed_file{ending}").write_text("nobody may read this")
        (root / f"closed_file{ending}").chmod(0)
        (root / f"loop{ending}").symlink_to(f"loop{ending}")
        (root / f"mem{ending}").symlink_to("/proc/self/mem")  # reading its first byte is an I/O error
        (root / f"folder{ending}").mkdir()
    (root / "closed_folder").mkdir()
    _copy_photos(root, "closed_sub")
    (root / "closed_sub/trainA/sub").mkdir()
    _copy_photos(root, "closed_photo")
    (root / "closed_photo/trainA/0.png").chmod(0)
    _copy_photos(root, "mem_photo")
    (root / "mem_photo/trainA/0.png").unlink()
    (root / "mem_photo/trainA/0.png").symlink_to("/proc/self/mem")
    _copy_photos(root, "gone_photo")
    (root / "gone_photo/trainA/0.png").unlink()
    (root / "gone_photo/trainA/0.png").symlink_to("nowhere")
    for name in ("lock_is_folder", "config_is_folder", "samples_is_file", "tensorboard_is_file", "closed_checkpoints"):
        workdir = root / name
        workdir.mkdir()
        if name != "closed_checkpoints":
            continue
        (workdir / "checkpoints").mkdir()
        (workdir / "checkpoints").chmod(0)
    (root / "lock_is_folder/run.lock").mkdir()
    (root / "config_is_folder/config.json").mkdir()
    (root / "samples_is_file/samples").write_text("")
    (root / "tensorboard_is_file/tensorboard").write_text("")
    for name in ("lock_is_folder", "config_is_folder", "samples_is_file", "tensorboard_is_file"):
        os.chown(root / name, USER, USER)
    (root / "gallery_is_folder").mkdir()
    (root / "gallery_is_folder/gallery.html").mkdir()
    (root / "gallery_is_folder").chmod(0o777)
    run.rename(root / "run")
    for name in ("locked", "closed_folder", "closed_sub/trainA/sub"):
        (root / name).chmod(0)


def _copy_photos(root: Path, name: str) -> None:
    for split in ("trainA", "trainB", "testA", "testB"):
        (root / name / split).mkdir(parents=True)
        for photo in (root / "photos" / split).iterdir():
            (root / name / split / photo.name).write_bytes(photo.read_bytes())


def obstacles(root: Path, *, ending: str, folder: bool, expands: bool) -> dict[str, tuple[str, str]]:
    """A path and the reason why it cannot be read, by the kind of obstacle."""
    name = "x" * 251
    found = {
        "in a locked folder": (f"{root}/locked/x{ending}", DENIED),
        "closed": (f"{root}/closed_folder" if folder else f"{root}/closed_file{ending}", DENIED),
        "a link to itself": (f"{root}/loop{ending}", f"Too many levels of symbolic links|link in a circle|{ABSENT}"),
        "a long name": (f"{root}/{name}{name}{ending}", "File name too long"),
        "a null character": (f"{root}/a\0b{ending}", "null"),
        "below a file": (f"{root}/file/x{ending}", ABSENT),
        "not UTF-8": (f"{root}/\udcff{ending}", ABSENT),
    }
    if not folder:
        found["an I/O error"] = (f"{root}/mem{ending}", "Input/output error|not a model|raises")
        found["a folder"] = (f"{root}/folder{ending}", f"{ABSENT}|Is a directory")
    if expands:
        found["of nobody"] = (f"~no_such_user/x{ending}", "home")
        found["without a home"] = (f"~/x{ending}", "home")
    return found


def cases(root: Path) -> list[Case]:
    """Every flag with every obstacle, and obstacles inside folders that can be read."""
    train = ["train", "--config", f"{root}/config.py", "--workdir", f"{root}/writable/new"]
    inputs = ["--input", f"{root}/photos/trainA"]
    translate = ["translate", "--run", f"{root}/run", "--output", f"{root}/writable/out"]
    evaluate = ["evaluate", "--run", f"{root}/run"]
    workdir = f"{root}/writable/new"
    flags: list[tuple[str, list[str], dict[str, Any]]] = [
        ("--config", ["train", "--workdir", workdir], {"ending": ".py", "folder": False, "expands": False}),
        *(
            (f"--data.{name}", train, {"ending": "", "folder": True, "expands": True})
            for name in ("dir", "train_A", "train_B", "test_A", "test_B")
        ),
        ("--init_from", train, {"ending": "", "folder": True, "expands": False}),
        ("--workdir", train[:3], {"ending": "", "folder": True, "expands": False}),
        ("--run", [*translate[:1], *translate[3:], *inputs], {"ending": "", "folder": True, "expands": False}),
        ("--input", translate, {"ending": ".png", "folder": False, "expands": False}),
        ("--output", [*translate[:3], *inputs], {"ending": "", "folder": True, "expands": False}),
        ("--run", ["checkpoints"], {"ending": "", "folder": True, "expands": False}),
        ("--run", ["evaluate"], {"ending": "", "folder": True, "expands": False}),
        ("--data_dir", evaluate, {"ending": "", "folder": True, "expands": True}),
        ("--segmenter", evaluate, {"ending": ".onnx", "folder": False, "expands": False}),
        ("--out", ["configs", "streets"], {"ending": ".py", "folder": False, "expands": False}),
    ]
    table = [
        Case(f"{args[0]} {flag} {kind}", [*args, flag, path], path.split("\0")[0], reason)
        for flag, args, wanted in flags
        for kind, (path, reason) in obstacles(root, **wanted).items()
        # What exists already can be written to by no flag but --workdir and --output, and is not written to.
        if not (flag == "--out" and kind in ("an I/O error", "a folder", "closed", "a link to itself"))
        if not (flag == "--input" and kind in ("closed", "an I/O error"))
    ]
    return [*table, *_inside(root, train, translate, evaluate), *_skipped(root, translate)]


def _inside(root: Path, train: list[str], translate: list[str], evaluate: list[str]) -> list[Case]:
    """Obstacles inside a folder that can be read."""
    config = train[:3]
    new = f"{root}/writable"
    closed = f"{root}/closed_sub/trainA/sub"
    photo = f"{root}/closed_photo/trainA/0.png"
    return [
        Case("train, a closed sub-folder", [*train, f"--data.dir={root}/closed_sub"], closed, f"data.dir.*{DENIED}"),
        Case("train, a closed photo", [*train, f"--data.dir={root}/closed_photo"], photo, DENIED, may_write=new),
        Case(
            "train, a photo with an I/O error",
            [*train, f"--data.dir={root}/mem_photo"],
            f"{root}/mem_photo/trainA/0.png",
            "Input/output error",
            may_write=new,
        ),
        Case(
            "train, a photo that links to nothing",
            [*train, f"--data.dir={root}/gone_photo"],
            f"{root}/gone_photo/trainA/0.png",
            "No such file",
            may_write=new,
        ),
        Case(
            "translate, a closed sub-folder",
            [*translate, "--input", f"{root}/closed_sub/trainA"],
            closed,
            f"--input.*{DENIED}",
        ),
        Case(
            "translate, a pattern in a closed folder",
            [*translate, "--input", f"{root}/closed_folder/*.png"],
            f"{root}/closed_folder",
            f"--input.*{DENIED}",
        ),
        Case(
            "translate, a pattern in a locked folder",
            [*translate, "--input", f"{root}/locked/x/*.png"],
            f"{root}/locked",
            f"--input.*{DENIED}",
        ),
        Case("train, a folder may not be written", [*config, "--workdir", f"{root}/folder"], f"{root}/folder", DENIED),
        Case("train, the run of another user", [*config, "--workdir", f"{root}/run"], f"{root}/run", DENIED),
        Case(
            "train, run.lock is a folder",
            [*config, "--workdir", f"{root}/lock_is_folder"],
            f"{root}/lock_is_folder",
            "is a link, or something else that is no file",
        ),
        Case(
            "train, config.json is a folder",
            [*config, "--workdir", f"{root}/config_is_folder"],
            f"{root}/config_is_folder/config.json",
            "Is a directory",
            may_write=f"{root}/config_is_folder",
        ),
        Case(
            "train, samples is a file",
            [*config, "--workdir", f"{root}/samples_is_file"],
            f"{root}/samples_is_file/samples",
            "File exists|Not a directory",
            may_write=f"{root}/samples_is_file",
        ),
        Case(
            "train, tensorboard is a file",
            [*config, "--workdir", f"{root}/tensorboard_is_file"],
            f"{root}/tensorboard_is_file/tensorboard",
            "File exists|Not a directory",
            may_write=f"{root}/tensorboard_is_file",
        ),
        Case(
            "checkpoints, a closed folder of checkpoints",
            ["checkpoints", "--run", f"{root}/closed_checkpoints"],
            f"{root}/closed_checkpoints/checkpoints",
            DENIED,
        ),
        Case("evaluate, the run of another user", [*evaluate, "--features=none"], f"{root}/run/evaluation", DENIED),
        Case(
            "evaluate, a closed file of weights",
            [*evaluate, "--inception_weights", f"{root}/closed_file.pth"],
            f"{root}/closed_file.pth",
            f"--inception_weights.*{DENIED}|torch-fidelity",
        ),
        Case(
            "cityscapes in a closed folder",
            [*train, "--data.source=cityscapes", f"--data.dir={root}/closed_folder"],
            f"{root}/closed_folder",
            f"data.dir.*{DENIED}",
        ),
    ]


def _skipped(root: Path, translate: list[str]) -> list[Case]:
    """Single files that `translate` skips, with their reason."""
    return [
        Case(f"translate, {path}", [*translate, "--input", f"{root}/{path}"], f"{root}/{path}", reason, status=1)
        for path, reason in {
            "closed_file.png": DENIED,
            "mem.png": "Input/output error",
        }.items()
    ]


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of everything that this user can list."""
    found = {}
    for parent, folders, names in os.walk(root):
        for name in (*folders, *names):
            with contextlib.suppress(OSError):
                status = os.lstat(Path(parent, name))
                found[str(Path(parent, name))] = (status.st_size, status.st_mtime_ns)
    return found


def run(case: Case, root: Path) -> Result:
    """Run a case with the command line of the package, in this process."""
    from cyclegan_jax.cli import main as cli

    before = snapshot(root)
    raw_out, raw_error = io.BytesIO(), io.BytesIO()
    out, error = (io.TextIOWrapper(raw, "utf-8", write_through=True) for raw in (raw_out, raw_error))
    status: int | None = None
    trace = ""
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            status = cli.main(case.args)
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        except BaseException:
            trace = traceback.format_exc()
    after = snapshot(root)
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    said, complained = (raw.getvalue().decode("utf-8", "backslashreplace") for raw in (raw_out, raw_error))
    return Result(status, said, complained, trace, changed)


def warm_up(root: Path) -> None:
    """Import everything that the commands import, as a user who may read it: Python itself may be closed to others."""
    from cyclegan_jax.cli import main as cli

    with tempfile.TemporaryDirectory() as folder:
        commands = (
            ["train", "--config", f"{root}/config.py", "--workdir", f"{folder}/run"],
            [
                "translate",
                "--run",
                f"{root}/run",
                "--input",
                f"{root}/photos",
                "--output",
                f"{folder}/out",
                "--gallery",
            ],
            ["evaluate", "--run", f"{folder}/run", "--features=none"],
            ["evaluate", "--run", f"{folder}/run", "--segmenter", f"{root}/file.onnx"],
            ["train", "--config", f"{root}/config.py", "--data.source=cityscapes", f"--data.dir={folder}"],
            ["checkpoints", "--run", f"{folder}/run"],
            ["configs"],
        )
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            for args in commands:
                cli.main(args)


def become(user: int) -> None:
    """Become another user, for good, who has no home folder."""
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    # The system closes /proc/self to a process that has changed its user.
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
    for name in ("HOME", "XDG_CACHE_HOME", "JAX_COMPILATION_CACHE_DIR"):
        os.environ.pop(name, None)


def main() -> None:
    """Run all cases in the folder that is given, and write their results as JSON to standard output."""
    root = Path(sys.argv[1])
    warm_up(root)
    become(USER)
    os.chdir(root)
    results = {case.name: dataclasses.asdict(run(case, root)) for case in cases(root)}
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
