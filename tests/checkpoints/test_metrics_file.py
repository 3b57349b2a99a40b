"""`metrics.jsonl`: each logged step once, also after a kill, and valid JSON whatever is logged."""

import json
from pathlib import Path

from cyclegan_jax.checkpoints.metrics_file import NAME, MetricsFile, read


def test_a_resumed_run_cuts_back_to_its_step(tmp_path: Path) -> None:
    first = MetricsFile(tmp_path, 0)
    for step in (1, 2, 3):
        first.write({"step": step, "loss": float(step)})
    first.close()
    with (tmp_path / NAME).open("a") as file:
        file.write('{"step": 4, "lo')  # a kill, or a power failure
    assert [line["step"] for line in read(tmp_path)] == [1, 2, 3]
    resumed = MetricsFile(tmp_path, 2)
    resumed.write({"step": 3, "loss": 9.0})
    resumed.close()
    assert read(tmp_path) == [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 2.0}, {"step": 3, "loss": 9.0}]
    assert len((tmp_path / NAME).read_text().splitlines()) == 3


def test_values_that_json_lacks_are_left_out(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path, 0)
    file.write({"step": 1, "bad": float("nan"), "worse": float("inf"), "good": 0.5})
    file.close()
    assert json.loads((tmp_path / NAME).read_text()) == {"step": 1, "good": 0.5}


def test_no_file_is_no_lines(tmp_path: Path) -> None:
    assert read(tmp_path) == []
