"""What is stored in fewer bits comes back as near as it can be, and a broken file is refused."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seesay.base.errors import BundleError
from seesay.encoders import weights

MATRICES = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=2, max_dims=4, max_side=6),
    elements=st.floats(-1e4, 1e4, width=32, allow_subnormal=False),
)


@given(MATRICES)
def test_8_bits_are_off_by_at_most_half_a_step(matrix):
    stored, scale = weights.quantize(matrix)
    assert np.abs(stored).max(initial=0) <= 127
    assert (np.abs(stored * scale - matrix) <= scale * 0.5001).all()


def test_a_row_of_zeros_stays_zero():
    stored, scale = weights.quantize(np.zeros((2, 3), np.float32))
    assert not stored.any()
    assert np.isfinite(scale).all()


def test_storage_is_chosen_by_the_longest_prefix_and_vectors_stay_whole(tmp_path):
    random = np.random.default_rng(0)
    names = ("a.x", "a.y.x", "b.x", "a.bias")
    meant = {name: random.standard_normal(4 if name == "a.bias" else (4, 5)).astype(np.float32) for name in names}
    meant["count"] = np.array(3, np.int64)
    stored = weights.encode(meant, {"a.": "int8", "a.y.": "float16"})
    assert {name: str(array.dtype) for name, array in stored.items()} == {
        "a.x": "int8",
        "a.x.scale": "float32",
        "a.y.x": "float16",
        "b.x": "float32",
        "a.bias": "float32",
        "count": "int64",
    }
    weights.write_weights(tmp_path / "w", stored)
    back = weights.read_weights(tmp_path / "w")
    assert set(back) == set(meant)
    for name, tolerance in (("a.x", 0.02), ("a.y.x", 1e-3), ("b.x", 0), ("a.bias", 0), ("count", 0)):
        np.testing.assert_allclose(back[name], meant[name], atol=tolerance)
        assert back[name].dtype == meant[name].dtype


def test_8_bits_without_a_scale_are_refused():
    with pytest.raises(BundleError, match=r"'w' is stored in 8 bits without its 'w\.scale'"):
        weights.decode({"w": np.zeros((2, 2), np.int8)}, where="here")


def write(path, header, data=b""):
    raw = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + data)
    return path


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        ({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b"1234", "fetch or make it again"),
        ({"w": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, b"12345678", "which is not"),
        ({"w": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}, b"12345678", "stored as F64"),
        ({"w": {"shape": [1]}}, b"", "is broken"),
        ([], b"", "no dictionary"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, header, data, message):
    with pytest.raises(BundleError, match=message):
        weights.read_weights(write(tmp_path / "w", header, data))


def test_a_file_of_something_else_is_refused(tmp_path):
    for content in (b"", b"123", b"\xff" * 64):
        (tmp_path / "w").write_bytes(content)
        with pytest.raises(BundleError):
            weights.read_weights(tmp_path / "w")
