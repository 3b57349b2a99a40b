"""The recorded numbers of PyTorch are those that it computes today."""

import numpy as np

from tests.parity.record import make_record
from tests.recorded.record_file import PATH, read


def test_the_record_is_what_pytorch_computes() -> None:
    record, recorded = make_record(), read()
    assert record.keys() == recorded.keys()
    for name, values in record.items():
        # Not bit for bit: PyTorch's kernels sum in another order on another processor.
        np.testing.assert_allclose(recorded[name], values, rtol=1e-9, atol=1e-12, err_msg=name)


def test_the_record_is_small() -> None:
    assert PATH.stat().st_size < 1_000_000
