"""Drawn patients: what is promised of them, judged against twins drawn without the fracture."""

import hashlib
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from greenstick.errors import GreenstickError
from greenstick.radiographs.phantom import (
    BODY_PARTS,
    KINDS,
    draw_film,
    draw_patient,
    films_of_patient,
    plan_patient,
)
from greenstick.radiographs.phantom.marks import STAMP, letters
from greenstick.radiographs.phantom.patient import Patient
from greenstick.radiographs.phantom.rays import attenuation
from greenstick.radiographs.phantom.solids import Grid

SIZE = 192


@pytest.fixture(scope="module")
def plans() -> list[Patient]:
    return [plan_patient(0, index) for index in range(400)]


@pytest.fixture(scope="module")
def broken() -> dict[str, list[tuple[int, Patient]]]:
    """Three patients of each kind of fracture, with their numbers."""
    found: dict[str, list[tuple[int, Patient]]] = {kind: [] for kind in KINDS}
    for index in range(120):
        patient = plan_patient(8, index, fractured=True)
        # One break at a time: a second one beside it has a box of its own.
        if len(patient.fractures) == 1:
            found[patient.fractures[0].kind].append((index, patient))
    return {kind: patients[:3] for kind, patients in found.items()}


def test_a_seed_gives_the_same_films_and_another_seed_others() -> None:
    first = draw_patient(1, 4, size_px=SIZE)
    again = draw_patient(1, 4, size_px=SIZE)
    other = draw_patient(2, 4, size_px=SIZE)
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, again, strict=True))
    assert all(np.array_equal(a.boxes, b.boxes) for a, b in zip(first, again, strict=True))
    assert first[0].pixels.shape != other[0].pixels.shape or not np.array_equal(
        first[0].pixels, other[0].pixels
    )


#: Digests of patients 0, 1 and 2 of seed 1. They change only where drawing is meant to change.
DIGESTS = ("124747b871e30189", "b898e92e048360a8", "99349f9bf32a3b35")


@pytest.mark.parametrize("index", range(3))
def test_the_films_are_those_of_every_other_machine(index: int) -> None:
    digest = hashlib.blake2b(digest_size=8)
    for drawing in draw_patient(1, index, size_px=192):
        digest.update(np.rint(drawing.pixels * 255).astype(np.uint8).tobytes())
    assert digest.hexdigest() == DIGESTS[index]


def test_pixels_are_gray_levels_of_the_asked_size() -> None:
    drawing = draw_patient(0, 1, size_px=SIZE)[0]
    assert drawing.pixels.dtype == np.float32
    assert max(drawing.pixels.shape) == SIZE
    levels = drawing.pixels * 255
    assert np.allclose(levels, np.rint(levels), atol=1e-4)
    assert drawing.pixels.min() >= 0
    assert drawing.pixels.max() <= 1


def test_each_film_says_that_it_is_drawn() -> None:
    for drawing in draw_patient(0, 1):
        text = letters(STAMP, 1) > 0
        height = drawing.pixels.shape[0]
        place = drawing.pixels[height - 2 - 7 : height - 2, 2 : 2 + text.shape[1]]
        assert place[text].min() > 0.8
        assert place[~text].max() < 0.5


@pytest.mark.parametrize("body_part", BODY_PARTS)
def test_every_film_of_a_fractured_patient_shows_it_in_a_box(body_part: str) -> None:
    for index in range(2):
        for drawing in draw_patient(5, index, fractured=True, body_part=body_part, size_px=SIZE):
            assert drawing.label == 1
            assert drawing.body_part == body_part
            assert drawing.fracture_type in KINDS
            assert drawing.visibility is not None
            assert 0 <= drawing.visibility < 1
            height, width = drawing.pixels.shape
            assert len(drawing.boxes) in (1, 2)
            assert (drawing.boxes[:, :2] >= 0).all()
            assert (drawing.boxes[:, 2:] >= 4).all()
            assert (drawing.boxes[:, 0] + drawing.boxes[:, 2] <= width).all()
            assert (drawing.boxes[:, 1] + drawing.boxes[:, 3] <= height).all()
            assert (drawing.boxes[:, 2] * drawing.boxes[:, 3] < 0.2 * width * height).all()


def test_a_healthy_patient_has_no_box_and_no_type() -> None:
    for drawing in draw_patient(5, 0, fractured=False, size_px=SIZE):
        assert drawing.label == 0
        assert drawing.fracture_type is None
        assert drawing.visibility is None
        assert drawing.boxes.shape == (0, 4)


def in_and_out(
    change: NDArray[np.float64], boxes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    inside = np.zeros(change.shape, dtype=bool)
    for x, y, width, height in boxes.astype(int).tolist():
        inside[y : y + height, x : x + width] = True
    return np.abs(change[inside]), np.abs(change[~inside])


def ray_change(patient: Patient, healthy: Patient) -> NDArray[np.float64]:
    """Attenuation with the fracture less that without, free of noise."""
    film_mm = patient.region.field_mm
    px_per_mm = SIZE / max(film_mm)
    grid = Grid((round(film_mm[1] * px_per_mm), round(film_mm[0] * px_per_mm)), px_per_mm)
    pose = patient.poses[0]
    rays = [
        attenuation(p, p.view(pose, film_mm), grid, np.random.default_rng(0))[0]
        for p in (patient, healthy)
    ]
    return rays[0] - rays[1]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_fracture_changes_is_where_its_box_is(
    kind: str, broken: dict[str, list[tuple[int, Patient]]]
) -> None:
    assert len(broken[kind]) == 3
    for index, patient in broken[kind]:
        healthy = plan_patient(8, index, fractured=False)
        change = ray_change(patient, healthy)
        boxes = draw_film(patient, patient.poses[0], SIZE).boxes
        inside, outside = in_and_out(change, boxes)
        # A bone that bends moves its edges beyond the box as well, though less.
        assert inside.mean() > (2.5 if kind == "greenstick" else 6) * outside.mean()
        assert inside.max() > 0.45 * outside.max()
        if kind == "hairline":
            assert inside.sum() > 0.97 * np.abs(change).sum()


def test_with_and_without_a_fracture_a_patient_is_otherwise_the_same() -> None:
    for index in range(6):
        broken, healthy = (plan_patient(8, index, fractured=f) for f in (True, False))
        assert [pose.technique for pose in broken.poses] == [p.technique for p in healthy.poses]
        assert [pose.view for pose in broken.poses] == [p.view for p in healthy.poses]
        assert broken.region == healthy.region
        assert broken.canals == healthy.canals
        assert broken.metal == healthy.metal
    with_it = draw_film(broken, broken.poses[0], SIZE)
    without = draw_film(healthy, healthy.poses[0], SIZE)
    inside, outside = in_and_out(
        (with_it.pixels - without.pixels).astype(np.float64), with_it.boxes
    )
    assert inside.mean() > 3 * outside.mean()


def test_four_in_ten_are_fractured_and_all_kinds_occur(plans: list[Patient]) -> None:
    fractured = sum(bool(p.fractures) for p in plans)
    assert stats.binomtest(fractured, len(plans), 0.4).pvalue > 0.01
    kinds = Counter(p.fractures[0].kind for p in plans if p.fractures)
    assert set(kinds) == set(KINDS)
    broken_greens = [p for p in plans if p.fractures and p.fractures[0].kind == "greenstick"]
    assert all(p.person.child for p in broken_greens)


def test_several_body_parts_sides_views_and_films(plans: list[Patient]) -> None:
    assert {p.body_part for p in plans} == set(BODY_PARTS)
    assert {p.laterality for p in plans} == {"left", "right"}
    assert {len(p.poses) for p in plans} == {1, 2, 3}
    assert all(len({pose.view for pose in p.poses}) == len(p.poses) for p in plans)
    assert [films_of_patient(0, index) for index in range(50)] == [len(p.poses) for p in plans[:50]]


CONFOUNDERS = {
    "body part": lambda p: p.body_part,
    "laterality": lambda p: p.laterality,
    "films": lambda p: len(p.poses),
    "child": lambda p: p.person.child,
    "metal": lambda p: bool(p.metal),
    "canal": lambda p: bool(p.canals),
    "exposure": lambda p: p.poses[0].technique.exposure,
    "border": lambda p: p.poses[0].technique.border,
    "marker": lambda p: bool(p.poses[0].technique.marker),
    "quarter turns": lambda p: p.poses[0].technique.marker_turns,
}


@pytest.mark.parametrize("name", CONFOUNDERS)
def test_nothing_but_the_bone_tells_the_label(plans: list[Patient], name: str) -> None:
    values = [CONFOUNDERS[name](p) for p in plans]
    labels = [bool(p.fractures) for p in plans]
    table = np.array(
        [
            [
                sum(v == value and y == label for v, y in zip(values, labels, strict=True))
                for value in set(values)
            ]
            for label in (True, False)
        ]
    )
    assert table.shape[1] > 1
    assert stats.chi2_contingency(table).pvalue > 0.005


@pytest.mark.parametrize("number", ["photons", "gamma", "scatter", "blur_px", "equalized"])
def test_exposure_does_not_tell_the_label(plans: list[Patient], number: str) -> None:
    broken, healthy = (
        [getattr(p.poses[0].technique, number) for p in plans if bool(p.fractures) is label]
        for label in (True, False)
    )
    assert stats.mannwhitneyu(broken, healthy).pvalue > 0.005


def test_the_marker_is_the_side(plans: list[Patient]) -> None:
    markers = {(p.laterality, pose.technique.marker) for p in plans for pose in p.poses}
    assert markers == {("left", "L"), ("left", ""), ("right", "R"), ("right", "")}


def test_left_and_right_are_mirrored(plans: list[Patient]) -> None:
    sides = [
        next(
            p
            for p in (plan_patient(0, i, body_part="leg") for i in range(40))
            if p.laterality == side
        )
        for side in ("left", "right")
    ]
    lateral = [p.view(p.poses[0], (200.0, 400.0)).matrix[0, 0] for p in sides]
    tilted = [np.sign(np.cos(p.poses[0].tilt) * np.cos(p.poses[0].turn)) for p in sides]
    assert np.sign(lateral[0]) == tilted[0]
    assert np.sign(lateral[1]) == -tilted[1]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((-1, 0), {}, "whole number from 0 on"),
        ((0, -1), {}, "whole number from 0 on"),
        ((0, 0), {"body_part": "tail"}, "'tail'"),
        ((0, 0), {"size_px": 64}, "64 pixels"),
    ],
)
def test_bad_input_is_refused_with_its_remedy(
    arguments: tuple[int, int], options: dict[str, object], message: str
) -> None:
    with pytest.raises(GreenstickError, match=message) as refused:
        draw_patient(*arguments, **options)  # type: ignore[arg-type]
    assert refused.value.remedy
