"""`metrics.jsonl` and `events.jsonl`: each logged step once, also after a kill, and valid JSON whatever is logged."""

import json
from pathlib import Path

import cyclegan_jax
from cyclegan_jax.checkpoints.metrics_file import METRICS, LinesFile, read_metrics


def test_a_resumed_run_cuts_back_to_its_step(tmp_path: Path) -> None:
    first = LinesFile(tmp_path / METRICS, 0)
    for step in (1, 2, 3):
        first.write({"step": step, "loss": float(step)})
    first.close()
    with (tmp_path / METRICS).open("a") as file:
        file.write('{"step": 4, "lo')  # a kill, or a power failure
    assert [line["step"] for line in read_metrics(tmp_path)] == [1, 2, 3]
    resumed = LinesFile(tmp_path / METRICS, 2)
    resumed.write({"step": 3, "loss": 9.0})
    resumed.close()
    assert read_metrics(tmp_path) == [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 2.0}, {"step": 3, "loss": 9.0}]
    assert len((tmp_path / METRICS).read_text().splitlines()) == 3


def test_values_that_json_lacks_are_left_out(tmp_path: Path) -> None:
    file = LinesFile(tmp_path / METRICS, 0)
    file.write({"step": 1, "bad": float("nan"), "worse": float("inf"), "good": 0.5})
    file.close()
    assert json.loads((tmp_path / METRICS).read_text()) == {"step": 1, "good": 0.5}


def test_no_file_is_no_lines(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == []
    assert cyclegan_jax.read_metrics(str(tmp_path)) == []


def test_a_line_outlives_a_kill_at_once(tmp_path: Path) -> None:
    """Nothing waits in a buffer of the process: a reader beside it sees each line when it is written."""
    file = LinesFile(tmp_path / METRICS, 0)
    file.write({"step": 1, "loss": 0.5})
    assert read_metrics(tmp_path) == [{"step": 1, "loss": 0.5}]
    file.close()


def test_what_is_no_line_of_a_run_is_left_out(tmp_path: Path) -> None:
    (tmp_path / METRICS).write_bytes(b'\xff\xfe\n[1]\n"x"\n{"loss": 1}\n{"step": "3"}\n\n{"step": 4, "loss": 1.0}\n')
    assert read_metrics(tmp_path) == [{"step": 4, "loss": 1.0}]
