"""`index.html` of a run: its pictures, curves, scores, warnings and settings, for a browser, also of a run that trains.

The page is one file and loads nothing from elsewhere but the pictures in `samples/` beside it.
"""

import html
import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any, Final

from cyclegan_jax import config_dict, files, recipes, web_page
from cyclegan_jax.checkpoints import config_changes
from cyclegan_jax.config import TrainConfig
from cyclegan_jax.console import duration
from cyclegan_jax.training import page_charts
from cyclegan_jax.training.gan_warnings import WINDOW
from cyclegan_jax.training.history import History
from cyclegan_jax.training.samples import HEADINGS

NAME: Final = "index.html"
_MOST_PICTURES: Final = 40
"""Grids in the strip; of more, evenly chosen ones are shown."""
_PICTURE: Final = re.compile(r"step_([0-9]+)(?:_epoch_[0-9.]+)?\.png")
_MARK: Final = b'content="cyclegan-jax run page"'
_RECIPES: Final = {"paper": recipes.paper, "pytorch_gan": recipes.pytorch_gan, "simplified": recipes.simplified}


@dataclass(frozen=True)
class RunPage:
    """The page of a run, which is written anew from the run's history and its files.

    Attributes:
        workdir: the run's folder.
        config: the experiment.
        last_step: the step at which the run ends.
        history: what it has logged so far.
    """

    workdir: Path
    config: TrainConfig
    last_step: int
    history: History

    @property
    def path(self) -> Path:
        """The file."""
        return self.workdir / NAME

    def set_foreign_aside(self) -> Path | None:
        """Rename a file in the page's place that is no page of a run, and return its new path; None if there is none.

        Raises:
            UserError: what is there cannot be read or renamed.
        """
        if not files.is_file(self.path) or _MARK in files.read_bytes(self.path):
            return None
        aside = files.set_aside_name(self.path)
        self.path.rename(aside)
        return aside

    def write(self, state: str = "training") -> None:
        """Write the page; an older one is replaced when this one is complete.

        Args:
            state: what the run is doing, or how it ended.

        Raises:
            OSError: it cannot be written.
        """
        page = Template(web_page.template("cyclegan_jax.training", "run_page.html")).substitute(
            title=html.escape(self.workdir.absolute().name),
            status=html.escape(self._status(state)),
            live=_LIVE if state == "training" else "",
            sections="\n".join(self._sections()),
        )
        # Names of files may hold what UTF-8 has no bytes for.
        files.write_atomically(self.path, page.encode("utf-8", "backslashreplace"))

    def _status(self, state: str) -> str:
        done = f"step {self.history.step:,} of {self.last_step:,}, epoch {self.history.epoch:,}"
        parts = [f"{state[0].upper()}{state[1:]}: {done}"]
        speed = self.history.series.get("pairs_per_second")
        if state == "training" and speed is not None and speed.newest > 0:
            seconds = (self.last_step - self.history.step) * self.config.pairs_per_step / speed.newest
            parts.append(f"{speed.newest:.3g} image pairs per second, about {duration(seconds)} of training left")
        return f"{'. '.join(parts)}. Written {_moment(time.time())}; renewed with each sample grid and evaluation."

    def _sections(self) -> Iterator[str]:
        yield _warnings(self.history)
        yield _pictures(self.workdir / "samples")
        yield page_charts.scores(self.workdir)
        yield page_charts.curves(self.history, self.config.loss.gan)
        yield _settings(self.config)
        yield _starts(self.workdir, self.history)


_LIVE: Final = '<p class="live"><label><input type="checkbox" id="live"> reload this page every 30 seconds</label></p>'


def _warnings(history: History) -> str:
    """The warnings so far, each of which says what it means."""
    found = [str(event["warning"]) for event in history.events_with("warning")]
    if not found:
        return page_charts.section(
            "Warnings",
            f"<p>None so far. Training watches, over {WINDOW} steps at a time, for a discriminator that is always "
            "right, from which its generator learns little, and for a generator that only copies its input.</p>",
        )
    items = "".join(f"<li>{html.escape(warning)}</li>" for warning in found)
    return (
        '<section class="alert" aria-label="Warnings"><h2>Warnings</h2>'
        f"<p>All numbers of the training are finite, but it may be failing:</p><ul>{items}</ul></section>"
    )


def _pictures(folder: Path) -> str:
    """The newest grid, large, and the earlier ones in a strip below it."""
    paths = sorted((path for path in files.entries(folder) if _PICTURE.fullmatch(path.name)), key=_step)
    if not paths:
        return page_charts.section("Pictures", "<p>No sample grid has been drawn yet.</p>")
    shown = _evenly(paths, _MOST_PICTURES)
    newest = shown[-1]
    few = "" if len(shown) == len(paths) else f" {len(shown)} of {len(paths)} are shown."
    items = "".join(
        f'<li><a href="{_address(path)}"{" aria-current=true" if path == newest else ""}><img src="{_address(path)}" '
        f'alt="{_said(path)}" loading="lazy" decoding="async">step {_step(path):,}</a></li>'
        for path in shown
    )
    return page_charts.section(
        "Pictures",
        f'<figure><a id="shown" href="{_address(newest)}"><img src="{_address(newest)}" alt="{_said(newest)}"></a>'
        f'<figcaption id="caption" aria-live="polite">{_said(newest)}</figcaption></figure>'
        f'<ul class="strip" aria-label="Sample grids by step">{items}</ul>'
        '<p class="note">Always the same test images. The pictures are files in <a href="samples/">samples/</a>, '
        f"which must lie beside this page.{few}</p>",
    )


def _evenly(paths: Sequence[Path], most: int) -> list[Path]:
    """At most `most` of the paths, the first and the last among them."""
    if len(paths) <= most:
        return list(paths)
    return [paths[index * (len(paths) - 1) // (most - 1)] for index in range(most)]


def _step(path: Path) -> int:
    found = _PICTURE.fullmatch(path.name)
    assert found is not None  # only such files are on the page
    return int(found[1])


def _said(path: Path) -> str:
    return f"Sample grid of step {_step(path):,}; columns: {', '.join(HEADINGS)}"


def _address(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _settings(config: TrainConfig) -> str:
    """What is particular to the experiment first, then all fields."""
    name, changed = _nearest_recipe(config)
    rows = [(field, _shown(new), _shown(old)) for field, (old, new) in changed.items()]
    every = [(field, _shown(value)) for field, value in config_dict.fields(config).items()]
    return page_charts.section(
        "Settings",
        f"<p>Of the published recipes, <code>{name}</code> is the nearest. This run differs from it in:</p>"
        + page_charts.table(("setting", "this run", f"recipe {name}"), rows)
        + f"<details><summary>all {len(every)} settings</summary>{page_charts.table(('setting', 'value'), every)}"
        '</details><p class="note">The same as a file: <a href="config.json">config.json</a>; each config that the run '
        'had, by its first step: <a href="configs/">configs/</a>.</p>',
    )


def _nearest_recipe(config: TrainConfig) -> tuple[str, Mapping[str, tuple[Any, Any]]]:
    """The recipe with the fewest differences that make another experiment, and all differences from it."""
    found = {name: config_dict.changes(recipe(), config) for name, recipe in _RECIPES.items()}
    telling = config_changes.WHEN_ALLOWED | config_changes.FIXED
    name = min(found, key=lambda recipe: len(found[recipe].keys() & telling))
    return name, found[name]


def _starts(workdir: Path, history: History) -> str:
    """Each start of the run: its command, its versions, its time."""
    rows = [
        (
            f"{event['step']:,}",
            _moment(event.get("time", 0.0)),
            str(event["start"]),
            str(event.get("versions", "")),
        )
        for event in history.events_with("start")
    ]
    command = f"tensorboard --logdir {shlex.quote(str(workdir.absolute()))}"
    return page_charts.section(
        "How it was made",
        page_charts.table(("from step", "time", "command", "versions"), rows, code=(2,))
        + '<p class="note">All logged numbers: <a href="metrics.jsonl">metrics.jsonl</a>, or '
        f"<code>{html.escape(command)}</code>.</p>",
    )


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(seconds))


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
