"""The text that `cyclegan-jax evaluate` prints."""

from collections.abc import Mapping

from cyclegan_jax.epochs import named
from cyclegan_jax.evaluation.curves import score_curves
from cyclegan_jax.evaluation.result_files import step_folder
from cyclegan_jax.evaluation.results import Results, RunResults
from cyclegan_jax.evaluation.score_table import decimal, markdown


def report(results: RunResults) -> str:
    """Return all tables of a single checkpoint, or one table that compares several; and where the files are."""
    newest = max(results.by_step)
    last = results.by_step[newest]
    if results.curves is None:
        images = " and ".join(f"{number:,} of {domain}" for domain, number in last.images.items())
        title = f"{results.run} at {named(newest, results.epoch)}, test images: {images}"
        return "\n\n".join([title, last.markdown(), f"written to {step_folder(results.run, newest)}"])
    written = f"written to {results.curves} and the folders beside it"
    return "\n\n".join([comparison(results.by_step), *last.notes, written])


def comparison(found: Mapping[int, Results]) -> str:
    """Return a Markdown table of the scores by step; an asterisk marks the best step of each score."""
    steps = sorted(found)
    rows = []
    for curve in score_curves(found):
        marks = {step: "*" if step == curve.best else " " for step in steps}
        cells = [f"{decimal(curve.values.get(step), curve.digits)}{marks[step]}" for step in steps]
        rows.append([curve.title, *cells])
    return (
        markdown(["score", *(f"step {step:,}" for step in steps)], rows) + "\n\n* the best of these steps by this score"
    )
