"""`cyclegan-jax compare`: compare several runs in one table and one figure."""

from collections.abc import Sequence
from pathlib import Path

from cyclegan_jax import files
from cyclegan_jax.cli.flags import Parser

DESCRIPTION = """Compare runs, finished or training: print a table of the settings in which they differ and of the best
value of each score with its step, and draw their scores and losses over the steps."""


def compare(args: Sequence[str]) -> None:
    """Run `cyclegan-jax compare` with the arguments `args`.

    Raises:
        UserError: a flag is unknown, a path is not a run, or the figure cannot be written.
        SystemExit: `--help` was given.
    """
    parser = Parser("cyclegan-jax compare", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="work directory of a run; two or more")
    parser.add_argument("--output", type=Path, default=Path("comparison.png"), metavar="FILE", help="the figure")
    known = parser.parse_args(args)
    # Matplotlib takes a second to import, which --help does not need.
    from cyclegan_jax.evaluation import compare_runs, figures

    with files.naming("RUN"):
        runs = compare_runs.read_runs([files.expand(path) for path in known.runs])
    print(compare_runs.table(runs))
    panels = compare_runs.curves(runs)
    if panels:
        output = files.expand(known.output)
        figures.save_comparison(output, panels)
        print(f"figure: {output}")
