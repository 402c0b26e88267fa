import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from greenstick.radiographs.levels import full_scale, stretch, to_unit

shapes = hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)


@given(hnp.arrays(np.uint16, shapes))
def test_sixteen_bits_keep_their_ratios_and_use_half_the_range(values: NDArray[np.uint16]) -> None:
    unit, top = to_unit(values), full_scale(values)
    np.testing.assert_allclose(unit * top, values, atol=0.01)
    assert values.max() < 256 or unit.max() > 0.5


@given(
    hnp.arrays(
        st.sampled_from([np.int16, np.int32, np.float32, np.float64, np.uint8, np.bool_]), shapes
    )
)
def test_everything_ends_within_zero_and_one(values: NDArray[np.generic]) -> None:
    unit = to_unit(values)
    assert unit.dtype == np.float32
    assert unit.shape == values.shape
    assert 0.0 <= unit.min() <= unit.max() <= 1.0


def test_stretch_leaves_out_what_is_no_number_and_what_does_not_count() -> None:
    values = np.array([[np.nan, -5.0, 15.0, 999.0]])
    counts = np.array([[True, True, True, False]])
    np.testing.assert_array_equal(stretch(values, counts), [[0.0, 0.0, 1.0, 1.0]])
    assert not stretch(np.full((2, 2), 7)).any()
