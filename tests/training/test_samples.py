from collections import Counter

import numpy as np
import polars as pl
import pytest
import torch

from greenstick.cohorts.cohort import make_cohort
from greenstick.errors import GreenstickError
from greenstick.models.settings import ClassifierSettings
from greenstick.training.labels import box_class_names
from greenstick.training.samples import EpochSampler, RowDataset, Rows, make_loader, make_rows

LABELS = np.array([1] * 10 + [0] * 40)


def drawn(sampler: EpochSampler) -> list[int]:
    return [row for batch in sampler for row in batch]


def test_an_epoch_is_a_function_of_seed_and_number():
    orders = {}
    for seed in (0, 1):
        for epoch in (0, 1):
            sampler = EpochSampler(LABELS, 8, seed=seed)
            sampler.set_epoch(epoch)
            orders[seed, epoch] = drawn(sampler)
            assert drawn(sampler) == orders[seed, epoch]
            assert set(orders[seed, epoch]) == set(range(50))
    assert len({tuple(order) for order in orders.values()}) == 4


def test_training_batches_are_full_and_validation_is_in_order():
    batches = list(EpochSampler(LABELS, 8, seed=0))
    assert (
        [len(batch) for batch in batches] == [8] * 7 == [8] * len(EpochSampler(LABELS, 8, seed=0))
    )
    assert drawn(EpochSampler(LABELS, 8, seed=None)) == list(range(50))


@pytest.mark.parametrize("seed", [None, 3])
def test_processes_share_an_epoch(seed):
    parts = [list(EpochSampler(LABELS, 4, seed=seed, rank=r, world=3)) for r in range(3)]
    assert len({len(part) for part in parts}) == 1
    together = [row for part in parts for batch in part for row in batch]
    assert set(together) == set(range(50))
    assert max(Counter(together).values()) <= 2  # only the filling comes twice


def test_a_positive_share_draws_the_rarer_side_again():
    sampler = EpochSampler(LABELS, 10, seed=0, positive_share=0.4)
    rows = np.array(drawn(sampler))
    assert len(rows) == 50
    assert (LABELS[rows] == 1).sum() == 20
    assert Counter(rows[rows < 10].tolist()) == dict.fromkeys(range(10), 2)
    assert max(Counter(rows[rows >= 10].tolist()).values()) == 1


def test_images_of_rare_classes_are_drawn_again():
    kinds = [np.array([0])] * 90 + [np.array([0, 1])] * 8 + [np.array([2, 2])] + [np.array([], int)]
    rows = Rows([b""] * 100, np.ones(100, np.int64), [np.zeros((len(k), 4)) for k in kinds], kinds)
    assert rows.repeats(0.0) is None
    assert Rows(rows.keys, rows.labels, rows.boxes).repeats(0.5) is None
    repeats = rows.repeats(0.32)
    assert repeats is not None
    # LVIS: the root of wanted over seen share, of the image's rarest class
    assert repeats[[0, 90, 98, 99]] == pytest.approx([1.0, 2.0, 32**0.5, 1.0])
    counts = Counter()
    for epoch in range(200):
        sampler = EpochSampler(rows.labels, 10, seed=0, repeats=repeats)
        sampler.set_epoch(epoch)
        counts.update(drawn(sampler))
    assert sum(counts.values()) == 100 * 200
    common = np.mean([counts[i] for i in range(90)])
    assert counts[98] / common == pytest.approx(32**0.5, rel=0.15)
    assert np.mean([counts[i] for i in range(90, 98)]) / common == pytest.approx(2.0, rel=0.1)


def test_a_batch_holds_what_its_rows_hold(miniature):
    batch = RowDataset(miniature.store, miniature.rows).__getitems__([3, 0])
    assert batch.rows.tolist() == [3, 0]
    assert batch.labels.tolist() == [1, 0]
    assert batch.canvases.shape == (2, 48, 48)
    assert np.array_equal(batch.canvases[0], miniature.store.canvas(miniature.rows.keys[3]))
    left, top, right, bottom = batch.boxes[0, 0].int().tolist()
    assert int(batch.canvases[0, top:bottom, left:right].min()) > 200
    assert batch.boxes[1].tolist() == [[0.0] * 4]
    assert batch.annotated.tolist() == [True, True]
    assert batch.box_classes.tolist() == [[0], [0]]


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_change_nothing(miniature, workers):
    sampler = EpochSampler(miniature.rows.labels, 16, seed=4)
    loader = make_loader(miniature.store, miniature.rows, sampler, workers=workers)
    batches = list(loader)
    assert [batch.rows.tolist() for batch in batches] == list(sampler)
    assert torch.equal(batches[0].labels, torch.from_numpy(miniature.rows.labels)[batches[0].rows])


def test_rows_from_a_cohort_have_boxes_on_the_canvas(miniature, tmp_path):
    box = {"x": 10.0, "y": 12.0, "width": 8.0, "height": 6.0, "class": "fracture"}
    table = pl.DataFrame(
        {"image": ["a", "b", "c", "d"], "label": [1, 1, 0, 1], "boxes": [[box], None, None, []]}
    )
    cohort = make_cohort(table, tmp_path)
    rows = make_rows(miniature.store, cohort.table, miniature.rows.keys[:4])
    assert rows.labels.tolist() == [1, 1, 0, 1]
    # The 40 by 48 image lies in the middle of the 48 px canvas.
    assert rows.boxes[0] is not None
    assert rows.boxes[0].tolist() == [[14.0, 12.0, 8.0, 6.0]]
    assert rows.boxes[1] is None
    assert rows.boxes[2] is not None
    assert rows.boxes[2].shape == (0, 4)
    assert rows.boxes[3] is None
    none = cohort.table.with_columns(label=pl.lit(0, dtype=pl.Int8))
    many = ClassifierSettings(classes=("fracture", "no fracture"), outputs="any-of")
    rows = make_rows(miniature.store, none, miniature.rows.keys[:4], many)
    assert rows.labels.tolist() == [[0, 1]] * 4
    unlabeled = cohort.table.with_columns(label=pl.lit(None, dtype=pl.Int8))
    with pytest.raises(GreenstickError, match="have no label"):
        make_rows(miniature.store, unlabeled, miniature.rows.keys[:4])


def test_boxes_have_the_numbers_of_their_classes(miniature, tmp_path):
    def boxes(*names):
        return [{"x": 1.0, "y": 1.0, "width": 8.0, "height": 6.0, "class": n} for n in names]

    table = pl.DataFrame(
        {"image": ["a", "b", "c"], "label": [1, 0, 1], "boxes": [boxes("old", None), None, []]}
    )
    table = make_cohort(table, tmp_path).table
    assert box_class_names(table) == ("fracture", "old")
    rows = make_rows(
        miniature.store, table, miniature.rows.keys[:3], box_classes=("old", "new", "fracture")
    )
    assert [rows.classes_of_boxes(i).tolist() for i in range(3)] == [[0, 2], [], []]
    batch = RowDataset(miniature.store, rows).__getitems__([1, 0])
    assert batch.box_classes.tolist() == [[0, 0], [0, 2]]
    one = make_rows(miniature.store, table, miniature.rows.keys[:3], box_classes=("any",))
    assert one.classes_of_boxes(0).tolist() == [0, 0]
    with pytest.raises(GreenstickError, match="class 'fracture', which is none of old, new"):
        make_rows(miniature.store, table, miniature.rows.keys[:3], box_classes=("old", "new"))
