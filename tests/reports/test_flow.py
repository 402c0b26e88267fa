from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenstick.cohorts.cohort import Cohort, make_cohort
from greenstick.reports.flow import count_flow, describe_flow, draw_flow

NO_ROWS = {"image": pl.String, "reason": pl.String}
SIDES = ["train", "valid", "test", None]


def cohort_of(patients: list[str | None], labels: list[int]) -> Cohort:
    images = [f"{i}.png" for i in range(len(labels))]
    table = pl.DataFrame(
        {"image": images, "patient": patients, "label": labels},
        schema_overrides={"patient": pl.String},
    )
    return make_cohort(table, Path())


def splits_of(sides: list[str | None], fold: int = 0) -> pl.DataFrame:
    rows = [(f"{i}.png", 0, fold, side) for i, side in enumerate(sides) if side is not None]
    schema = {"image": pl.String, "repeat": pl.Int32, "fold": pl.Int32, "split": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def dropped_of(*reasons: str) -> pl.DataFrame:
    return pl.DataFrame({"image": [f"d{i}" for i in range(len(reasons))], "reason": list(reasons)})


def words_of(svg: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(svg).iter() if node.tag == "text"]


def test_a_small_flow_counted_by_hand():
    cohort = cohort_of(["a", "a", "b", None, "c"], [1, 0, 0, 1, 0])
    splits = splits_of(["train", "train", "valid", "test", None])
    dropped = dropped_of(
        "copy: a copy of 1.png (row 1), which stays.", "copy: of 2.png", "no label"
    )
    flow = count_flow(cohort, dropped, splits)
    assert (flow.imported.images, flow.imported.patients) == (8, None)
    assert (flow.used.images, flow.used.patients, flow.used.fractures) == (5, 4, 2)
    assert flow.reasons == (("copies of another image", 2), ("without a label", 1))
    assert flow.unassigned == 1
    assert [(p.images, p.patients, p.fractures, p.without) for p in flow.splits] == [
        (2, 1, 1, 1),
        (1, 1, 0, 1),
        (1, 1, 1, 0),
    ]
    assert flow.shared_patients == 0


def test_patients_before_dropping_are_counted_where_they_are_known():
    cohort = cohort_of(["a", "b"], [1, 0])
    dropped = dropped_of("copy", "copy").with_columns(patient=pl.Series(["a", "z"]))
    flow = count_flow(cohort, dropped, splits_of(["train", "test"]))
    assert flow.imported.patients == 3


def test_a_patient_on_two_sides_is_counted_but_not_one_who_changes_with_the_fold():
    cohort = cohort_of(["a", "a", "b"], [1, 0, 0])
    folds = pl.concat(
        [splits_of(["train", "train", "test"], 0), splits_of(["test", "test", "train"], 1)]
    )
    assert count_flow(cohort, pl.DataFrame(schema=NO_ROWS), folds).shared_patients == 0
    torn = splits_of(["train", "test", "test"])
    assert count_flow(cohort, pl.DataFrame(schema=NO_ROWS), torn).shared_patients == 1


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(SIDES), st.booleans(), st.sampled_from(["a", "b", "c", None])),
        min_size=1,
        max_size=20,
    ),
    st.integers(0, 12),
)
def test_nobody_is_lost_on_the_way(rows, n_dropped):
    sides, labels, patients = ([row[i] for row in rows] for i in range(3))
    cohort = cohort_of(patients, [int(label) for label in labels])
    dropped = dropped_of(*[f"reason-{i % 9}: row {i}" for i in range(n_dropped)])
    if dropped.is_empty():
        dropped = pl.DataFrame(schema=NO_ROWS)
    flow = count_flow(cohort, dropped, splits_of(sides))
    assert flow.imported.images - sum(n for _, n in flow.reasons) == flow.used.images
    assert sum(part.images for part in flow.splits) + flow.unassigned == flow.used.images
    for part in (flow.used, *flow.splits):
        assert part.images == (part.fractures or 0) + (part.without or 0)


def test_the_drawing_says_every_count_and_is_well_formed():
    cohort = cohort_of([None] * 3000, [1] * 1000 + [0] * 2000)
    splits = splits_of(["train"] * 2400 + ["valid"] * 300 + ["test"] * 300)
    dropped = dropped_of(
        "copy: x", "color-photograph: y", "some <odd> & very long reason of a user"
    )
    svg = str(draw_flow(count_flow(cohort, dropped, splits)))
    words = words_of(svg)
    assert {"3,003 images", "3,000 images", "2,400 images", "300 images"} <= set(words)
    assert {"Left out: 3 images", "1 copies of another image", "1 color photographs"} <= set(words)
    assert "1 some <odd> & very long" in words
    assert max(len(text) for text in words) <= 30


def test_many_reasons_are_shortened_without_losing_a_row():
    cohort = cohort_of([None], [1])
    dropped = dropped_of(*[f"reason-{i}" for i in range(9)])
    words = words_of(str(draw_flow(count_flow(cohort, dropped, splits_of(["test"])))))
    assert "3 for other reasons" in words


def test_nothing_left_out_draws_no_box_at_the_side():
    cohort = cohort_of([None, None], [1, 0])
    flow = count_flow(cohort, pl.DataFrame(schema=NO_ROWS), splits_of(["train", "test"]))
    assert not any("Left out" in text for text in words_of(str(draw_flow(flow))))
    assert "none left out" in describe_flow(flow)
    assert "Test: 1 image, 0 with fracture, 1 without" in describe_flow(flow)


@pytest.mark.parametrize("n", [1, 6, 7])
def test_boxes_do_not_overlap(n):
    cohort = cohort_of([None, None, None], [1, 0, 1])
    dropped = dropped_of(*[f"a-long-reason-that-needs-two-lines-number-{i}" for i in range(n)])
    flow = count_flow(cohort, dropped, splits_of(["train", "test", None]))
    boxes = [
        [float(node.attrib[key]) for key in ("x", "y", "width", "height")]
        for node in ElementTree.fromstring(str(draw_flow(flow))).iter("rect")
    ]
    assert len(boxes) == 6
    for i, (x, y, w, h) in enumerate(boxes):
        for x2, y2, w2, h2 in boxes[i + 1 :]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_images_that_name_no_patient_make_no_claim_about_patients():
    cohort = cohort_of([None, None], [1, 0])
    flow = count_flow(cohort, pl.DataFrame(schema=NO_ROWS), splits_of(["train", "test"]))
    assert (flow.unnamed, flow.used.patients, flow.imported.patients) == (2, None, None)
    assert not flow.apart
    named = cohort_of(["a", "b"], [1, 0])
    assert count_flow(named, pl.DataFrame(schema=NO_ROWS), splits_of(["train", "test"])).apart
