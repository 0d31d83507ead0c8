"""Specs: what is compared at every border, and what the message says when meanings differ."""

from dataclasses import replace

import pytest

from praxia.errors import PraxiaError, SpecMismatch, unknown
from praxia.specs import ActionSpec, Dim, StateSpec, check_identity

SPEC = ActionSpec((Dim("x", "position", "m", "base", "delta"), Dim("grip", "gripper", sense="open_positive")), 10.0)


def compare(other: ActionSpec) -> None:
    check_identity("ActionSpec", SPEC, "dataset 'a'", other, "policy 'b'")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "y"),
        ("kind", "velocity"),
        ("unit", "mm"),
        ("frame", "tool"),
        ("reference", "absolute"),
        ("rotation", "axis_angle"),
        ("sense", "close_positive"),
    ],
)
def test_each_identity_field_counts_and_is_named_with_both_sides(field, value):
    with pytest.raises(SpecMismatch) as caught:
        compare(replace(SPEC, dims=(replace(SPEC.dims[0], **{field: value}), SPEC.dims[1])))
    text = str(caught.value)
    assert f"dim 0 'x': {field} is {getattr(SPEC.dims[0], field)!r} in dataset 'a', {value!r} in policy 'b'" in text and "fix:" in text


def test_order_and_width_count_limits_and_rate_do_not():
    with pytest.raises(SpecMismatch, match="dim 1"):
        compare(replace(SPEC, dims=SPEC.dims[::-1]))
    with pytest.raises(SpecMismatch, match=r"width: dataset 'a' has 2 \(x, grip\), policy 'b' has 1 \(x\)"):
        compare(replace(SPEC, dims=SPEC.dims[:1]))
    compare(ActionSpec((replace(SPEC.dims[0], low=-1.0, high=1.0), SPEC.dims[1]), 50.0))
    assert SPEC.width == 2 and StateSpec(()).width == 0


def test_unknown_names_get_the_nearest_choice_and_all_of_them():
    assert unknown("preset", "tiney", ("tiny", "paper")) == "unknown preset 'tiney'; did you mean 'tiny'? valid: paper, tiny"
    assert "did you mean" not in unknown("preset", "zzz", ("tiny",)) and unknown("x", "y", ()).endswith("(none)")
    assert issubclass(SpecMismatch, PraxiaError)
