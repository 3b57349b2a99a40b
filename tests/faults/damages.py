"""Damages to a checkpoint, of every kind: bits, files, metadata, and parts of another checkpoint."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

METADATA = "_CHECKPOINT_METADATA"


def flip_array(folder: Path) -> None:
    """Flip a bit in the middle of the largest file, which holds arrays."""
    file = max((file for file in folder.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def flip_a_bit(folder: Path, other: Path, rng: random.Random) -> None:
    file, content, place = _somewhere(folder, rng)
    content[place] ^= 1 << rng.randrange(8)
    file.write_bytes(content)


def truncate(folder: Path, other: Path, rng: random.Random) -> None:
    file, content, place = _somewhere(folder, rng)
    file.write_bytes(content[:place])


def append(folder: Path, other: Path, rng: random.Random) -> None:
    file, content, _ = _somewhere(folder, rng)
    file.write_bytes(content + rng.randbytes(rng.randint(1, 100)))


def zero_a_range(folder: Path, other: Path, rng: random.Random) -> None:
    file, content, place = _somewhere(folder, rng)
    content[place:] = bytes(len(content[place:])) if rng.random() < 0.5 else rng.randbytes(len(content[place:]))
    file.write_bytes(content)


def empty_a_file(folder: Path, other: Path, rng: random.Random) -> None:
    _somewhere(folder, rng)[0].write_bytes(b"")


def zero_a_file(folder: Path, other: Path, rng: random.Random) -> None:
    file, content, _ = _somewhere(folder, rng)
    file.write_bytes(bytes(len(content)))


def delete_a_file(folder: Path, other: Path, rng: random.Random) -> None:
    rng.choice(_files(folder)).unlink()


def delete_a_folder(folder: Path, other: Path, rng: random.Random) -> None:
    shutil.rmtree(rng.choice(sorted(path for path in folder.rglob("*") if path.is_dir())))


def add_a_file(folder: Path, other: Path, rng: random.Random) -> None:
    place = rng.choice([folder, *sorted(path for path in folder.rglob("*") if path.is_dir())])
    name = rng.choice(["commit_success.txt", "orbax.checkpoint", "notes.txt", ".zarray", "f" * 32])
    (place / name).write_bytes(rng.choice(_files(other)).read_bytes())


def put_a_folder_for_a_file(folder: Path, other: Path, rng: random.Random) -> None:
    file = rng.choice(_files(folder))
    file.unlink()
    file.mkdir()


def swap_two_files(folder: Path, other: Path, rng: random.Random) -> None:
    one, two = rng.sample(_files(folder), 2)
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(content)


def swap_two_blocks(folder: Path, other: Path, rng: random.Random) -> None:
    """Two blocks of equal size in the largest file, which holds arrays, change places."""
    file = max(_files(folder), key=lambda file: file.stat().st_size)
    content = bytearray(file.read_bytes())
    size = rng.choice([4, 64, 512])
    one, two = (rng.randrange(len(content) // size) * size for _ in range(2))
    content[one : one + size], content[two : two + size] = content[two : two + size], content[one : one + size]
    file.write_bytes(content)


def take_a_file_of_the_other(folder: Path, other: Path, rng: random.Random) -> None:
    """One file of the other checkpoint; those with random names are matched by their order."""
    index = rng.randrange(len(_files(folder)))
    shutil.copyfile(_files(other)[index], _files(folder)[index])


def take_the_data_files_of_the_other(folder: Path, other: Path, rng: random.Random) -> None:
    part = rng.choice(["state", "state/ocdbt.process_0", "state/d"])
    shutil.rmtree(folder / part)
    shutil.copytree(other / part, folder / part)


def take_the_metadata_of_the_other(folder: Path, other: Path, rng: random.Random) -> None:
    shutil.copyfile(other / METADATA, folder / METADATA)


def be_the_other(folder: Path, other: Path, rng: random.Random) -> None:
    shutil.rmtree(folder)
    shutil.copytree(other, folder)


def lose_checksums(folder: Path, other: Path, rng: random.Random) -> None:
    names = rng.choice([("arrays",), ("checksum",), ("arrays", "checksum"), ("arrays", "checksum", "step")])
    _edit(folder, lambda values: _without(values, names))


def become_an_early_version(folder: Path, other: Path, rng: random.Random) -> None:
    """The metadata has the form of the first versions; the arrays may be those of the other checkpoint."""

    def edit(values: dict[str, Any]) -> dict[str, Any]:
        config = _without(values["config"], ("init_from",)) if rng.random() < 0.7 else values["config"]
        return {"config": config, "data_position": values["data_position"]}

    _edit(folder, edit)
    if rng.random() < 0.5:
        (folder / "state" / "commit_success.txt").touch()
    if rng.random() < 0.7:
        rng.choice([take_the_data_files_of_the_other, swap_two_blocks, flip_a_bit])(folder, other, rng)


def lose_some_checksums(folder: Path, other: Path, rng: random.Random) -> None:
    def edit(values: dict[str, Any]) -> dict[str, Any]:
        kept = [] if rng.random() < 0.3 else rng.sample(sorted(values["arrays"]), len(values["arrays"]) // 2)
        return values | {"arrays": {name: values["arrays"][name] for name in kept}}

    _edit(folder, edit)


def change_a_value(folder: Path, other: Path, rng: random.Random) -> None:
    changes: list[dict[str, Any]] = [
        {"step": 4},
        {"data_position": {"pairs": 9}},
        {"config": {}},
        {"arrays": None},
        {"checksum": None},
        {"checksum": True},
    ]
    _edit(folder, lambda values: values | rng.choice(changes))


def duplicate_a_key(folder: Path, other: Path, rng: random.Random) -> None:
    """JSON allows a key twice: the value of the other checkpoint comes first or last."""
    key = rng.choice(["data_position", "arrays", "step", "checksum", "config", "custom_metadata"])
    mine = json.loads((folder / METADATA).read_text())
    theirs = json.loads((other / METADATA).read_text())
    if key != "custom_metadata":
        inner = [f'"{name}": {json.dumps(value)}' for name, value in mine["custom_metadata"].items()]
        inner.insert(rng.choice([0, len(inner)]), f'"{key}": {json.dumps(theirs["custom_metadata"][key])}')
        custom = ["{" + ", ".join(inner) + "}"]
    else:
        custom = [json.dumps(mine[key]), json.dumps(theirs[key])]
        rng.shuffle(custom)
    outer = [f'"{name}": {json.dumps(value)}' for name, value in mine.items() if name != "custom_metadata"]
    (folder / METADATA).write_text("{" + ", ".join(outer + [f'"custom_metadata": {text}' for text in custom]) + "}")


def replace_the_metadata(folder: Path, other: Path, rng: random.Random) -> None:
    texts = ["", "{}", "[]", "null", "7", '{"custom_metadata": {}}', '{"custom_metadata": []}', "[" * 100_000]
    (folder / METADATA).write_text(rng.choice(texts))


KINDS: list[Callable[[Path, Path, random.Random], None]] = [
    flip_a_bit,
    truncate,
    append,
    zero_a_range,
    empty_a_file,
    zero_a_file,
    delete_a_file,
    delete_a_folder,
    add_a_file,
    put_a_folder_for_a_file,
    swap_two_files,
    swap_two_blocks,
    take_a_file_of_the_other,
    take_the_data_files_of_the_other,
    take_the_metadata_of_the_other,
    be_the_other,
    lose_checksums,
    become_an_early_version,
    lose_some_checksums,
    change_a_value,
    duplicate_a_key,
    replace_the_metadata,
]
"""Each changes the checkpoint in its first argument; the second is another checkpoint of the same run."""


def damage(folder: Path, other: Path, seed: int) -> str:
    """Damage a checkpoint by one kind, which the seed chooses; return its name and the seed."""
    kind = KINDS[seed % len(KINDS)]
    kind(folder, other, random.Random(seed))
    return f"{kind.__name__}, seed {seed}"


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _somewhere(folder: Path, rng: random.Random) -> tuple[Path, bytearray, int]:
    """A file that is not empty, its content, and a place within it."""
    files = [file for file in _files(folder) if file.stat().st_size]
    # An accident hits large files more often. Half of the time all files are equally likely, to test small ones too.
    file = rng.choices(files, [f.stat().st_size for f in files] if rng.random() < 0.5 else None)[0]
    content = bytearray(file.read_bytes())
    return file, content, rng.randrange(len(content))


def _edit(folder: Path, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change what the package wrote into the metadata; its checksum stays as it was."""
    values = json.loads((folder / METADATA).read_text())
    values["custom_metadata"] = edit(values["custom_metadata"])
    (folder / METADATA).write_text(json.dumps(values))


def _without(values: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}
