"""The page of a run: complete, escaped, self-contained, and cheap to renew."""

import dataclasses
import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cyclegan_jax.checkpoints import metrics_file
from cyclegan_jax.config import LossConfig, TrainConfig
from cyclegan_jax.epochs import EpochLength
from cyclegan_jax.errors import UserError
from cyclegan_jax.recipes import pytorch_gan
from cyclegan_jax.training import legend
from cyclegan_jax.training.divergence import DivergedError
from cyclegan_jax.training.history import History
from cyclegan_jax.training.interruption import StoppedError
from cyclegan_jax.training.progress import Progress
from cyclegan_jax.training.run_files import RunFiles
from cyclegan_jax.training.run_page import RunPage
from tests.conftest import tiny_config
from tests.helpers.pages import read

LOSSES = [name.removeprefix("loss/") for name in legend.METRICS if name.startswith("loss/")]


def scalars(step: int) -> dict[str, float]:
    return {"learning_rate": 2e-4, "change_AtoB": 0.3, **dict.fromkeys(LOSSES, 1.0 / step)}


def log(files: RunFiles, steps: range) -> None:
    progress = Progress(10, EpochLength(5, 1))
    for step in steps:
        progress.done(step, scalars(step))
        files.log_metrics(step, scalars(step), progress)


def grid() -> np.ndarray:
    return np.full((30, 40, 3), 200, np.uint8)


def add_scores(workdir: Path) -> None:
    """Scores of steps 2 and 4 with a control, as an evaluation writes them."""
    content = {"l1": {"better": "lower", "values": {"4": 0.25, "2": 0.5}}}
    (workdir / "scores.json").write_text(json.dumps(content))
    folder = workdir / "evaluation" / "step_0000004"
    folder.mkdir(parents=True)
    (folder / "scores.json").write_text(json.dumps({"controls": {"l1": {"mean colour": 0.75}}}))


def test_the_page_shows_the_whole_run(tmp_path: Path) -> None:
    workdir = tmp_path / "my run"
    config = tiny_config(seed=17)
    with RunFiles(workdir, config, last_step=10, command="train.py --seed=17") as files:
        assert "Training: step 0 of 10" in read(files.page.path).text
        log(files, range(1, 5))
        add_scores(workdir)
        files.log_warning(3, "discriminator B is winning")
        files.write_samples(2, 1, grid())
        files.write_samples(4, 1, grid())
        page = read(files.page.path)
        # Others than the newest are in the strip only.
        assert [image["src"] for image in page.images] == [
            f"samples/step_000000{step}_epoch_1.png" for step in (4, 2, 4)
        ]
        assert all(image["alt"] for image in page.images)
    text = read(workdir / "index.html").text
    for part in (
        "my run", "Finished: step 4 of 10, epoch 1", "discriminator B is winning", "train.py --seed=17", "JAX 0.",
        "0.25 at step 4", "mean colour: 0.75", legend.METRICS["loss/cycle_A"], legend.METRICS["change_AtoB"], "seed",
    ):  # fmt: skip
        assert part in text, part
    assert text.count("loss/") == 0
    (start, warning) = metrics_file.read_lines(workdir / metrics_file.EVENTS)
    assert (start["step"], start["start"]) == (0, "train.py --seed=17")
    assert (warning["step"], warning["warning"]) == (3, "discriminator B is winning")


def test_the_sentences_are_those_of_the_runs_loss(tmp_path: Path) -> None:
    config = tiny_config(loss=LossConfig(gan="hinge"))
    with RunFiles(tmp_path, config, last_step=4) as files:
        log(files, range(1, 4))
    text = read(tmp_path / "index.html").text
    assert "loss of D_A: 1 is guessing" in text
    assert "0.25 is guessing" not in text


def test_the_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    with RunFiles(tmp_path, tiny_config(), last_step=4) as files:
        log(files, range(1, 4))
        files.write_samples(3, 1, grid())
    content = (tmp_path / "index.html").read_text()
    assert not re.search(r"(src|href)=.?(http|//|/|data:)|url\(|@import|\$", content)
    for link in {*read(tmp_path / "index.html").links, *re.findall(r'src="([^"]+)"', content)} - {"configs/"}:
        assert (tmp_path / link).exists() or link == "config.json", link


def test_names_commands_and_warnings_are_escaped(tmp_path: Path) -> None:
    bad = '<script>alert("1")</script> & $x'
    workdir = tmp_path / "<b>& run"
    with RunFiles(workdir, tiny_config(), last_step=4, command=bad) as files:
        files.log_warning(1, bad)
        (workdir / "samples" / 'step_<"&.png').touch()
        files.write_samples(1, 1, grid())
    page = read(workdir / "index.html")
    assert page.text.count(bad) == 2
    assert "<b>& run" in page.text
    assert "alert(" not in (workdir / "index.html").read_text().replace("alert(&quot;", "")
    assert len(page.images) == 2


def test_a_resumed_run_has_the_page_of_an_uninterrupted_one(tmp_path: Path) -> None:
    """A kill after step 6, a resume from step 4: the later lines and warnings are gone, then logged again."""
    config = tiny_config()
    killed = RunFiles(tmp_path, config, last_step=8, command="train --steps=6")
    log(killed, range(1, 7))
    killed.log_warning(4, "at four")
    killed.log_warning(6, "at six")
    killed._open.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "loss/cyc')
    with RunFiles(tmp_path, config, 4, last_step=8, command="train --steps=8") as files:
        resumed = read(files.page.path).text
        assert "Training: step 4 of 8" in resumed
        assert "at four" in resumed
        assert "at six" not in resumed
        log(files, range(5, 9))
    assert [line["step"] for line in metrics_file.read_metrics(tmp_path)] == [*range(1, 9)]
    assert all(line["time"] == pytest.approx(time.time(), abs=60) for line in metrics_file.read_metrics(tmp_path))
    text = read(tmp_path / "index.html").text
    assert text.index("train --steps=6") < text.index("train --steps=8")
    whole = RunPage(tmp_path, config, 8, History.of_run(tmp_path))
    whole.write("finished")
    without_time = re.compile(r"Written [^;]+;")
    assert without_time.sub("", read(whole.path).text) == without_time.sub("", text)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (StoppedError(2, 3), "Stopped by a signal; the same command resumes it: step 3 of 9"),
        (DivergedError("cycle_A is nan"), "Ended by an error (cycle_A is nan): step 2 of 9"),
        (UserError("an image is damaged"), "Ended by an error (an image is damaged): step 2 of 9"),
        (OSError("the disk is full"), "Training: step 2 of 9"),
    ],
)
def test_the_page_says_how_the_run_ended(tmp_path: Path, error: Exception, said: str) -> None:
    with pytest.raises(type(error)), RunFiles(tmp_path, tiny_config(), last_step=9) as files:
        log(files, range(1, 3))
        files.write_samples(2, 1, grid())
        raise error
    text = read(tmp_path / "index.html").text
    assert said in text
    assert ("reload this page" in text) == isinstance(error, OSError)


def test_a_page_of_somebody_else_is_set_aside(tmp_path: Path, log_lines: list[str]) -> None:
    (tmp_path / "index.html").write_text("my own")
    for _ in range(2):
        with RunFiles(tmp_path, tiny_config()):
            pass
    assert (tmp_path / "index.html.set-aside").read_text() == "my own"
    assert [line for line in log_lines if "was set aside as index.html.set-aside" in line] == log_lines[:1]


def test_the_nearest_recipe_is_compared_with(tmp_path: Path) -> None:
    config = dataclasses.replace(pytorch_gan(), pool_size=7)
    RunPage(tmp_path, config, 1, History()).write()
    page = (tmp_path / "index.html").read_text()
    assert "<code>pytorch_gan</code> is the nearest" in page
    before, after = page.replace("<wbr>", "").split("<details>")
    assert "<td>pool_size</td><td>7</td><td>50</td>" in before
    assert "ema_decay" not in before
    assert "ema_decay" in after


def test_odd_scores_are_said_and_do_not_stop_the_page(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text("[]")
    RunPage(tmp_path, TrainConfig(), 1, History()).write()
    assert "The scores cannot be shown: " in read(tmp_path / "index.html").text


def test_a_long_run_has_a_small_page_in_little_time(tmp_path: Path) -> None:
    history = History()
    for step in range(100, 200_100, 100):
        history.add({"step": step, "epoch": 1, **dict.fromkeys(legend.METRICS, 1 / step)})
    (tmp_path / "samples").mkdir()
    for step in range(0, 12_000_000, 40_000):
        Image.new("RGB", (4, 4)).save(tmp_path / "samples" / f"step_{step:07d}.png")
    page = RunPage(tmp_path, TrainConfig(), 200_000, history)
    begin = time.process_time()
    page.write()
    assert time.process_time() - begin < 2
    assert page.path.stat().st_size < 400_000
    shown = [image["src"] for image in read(page.path).images]
    assert len(shown) == 41
    # Of seven digits or eight, the newest is the one with the highest number.
    assert shown[0] == shown[-1] == "samples/step_11960000.png"
    assert shown[1] == "samples/step_0000000.png"
    assert "40 of 300 are shown" in read(page.path).text
