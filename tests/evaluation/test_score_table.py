"""Score tables as Markdown, as JSON, and as records that choose the best checkpoint."""

import json
import math

from cyclegan_jax.evaluation.score_table import Column, ScoreTable

TABLE = ScoreTable(
    "question",
    "a question",
    (
        Column("error", "error", "lower", record="error_A"),
        Column("fit", "fit", "higher", digits=1),
        Column("size", "size", None),
    ),
    {"model": (0.123456789, math.nan, None), "doing nothing": (1.0, 12.25, 3.0)},
    ("A note.",),
    {"more": 1},
)


def test_markdown_is_aligned_with_dashes_for_missing_values():
    text, _, note = TABLE.markdown().partition("\n\n")
    lines = text.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines] == [
        ["a question", "error", "fit", "size"],
        ["-------------", "----:", "---:", "----:"],
        ["model", "0.123", "-", "-"],
        ["doing nothing", "1.000", "12.2", "3.000"],
    ]
    assert note == "A note."


def test_json_calls_the_first_row_model():
    found = json.loads(json.dumps(TABLE.to_json(), allow_nan=False))
    assert found == {
        "model": {"error": 0.123457, "fit": None, "size": None},
        "doing_nothing": {"error": 1.0, "fit": 12.25, "size": 3.0},
        "more": 1,
    }


def test_records_are_the_models_scores_with_a_record_name():
    assert TABLE.model == {"error": 0.123456789}
    assert TABLE.controls("[8 images]") == {"error_A[8 images]": {"doing nothing": 1.0}}
    assert TABLE.records("[8 images]") == {"error_A[8 images]": (0.123456789, "lower")}
