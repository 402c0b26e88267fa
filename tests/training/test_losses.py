import math

import pytest
import torch
from torch.nn import functional

from greenstick.training.losses import (
    box_loss,
    cell_loss,
    cell_targets,
    class_weights,
    image_loss,
)
from greenstick.training.recipe import Recipe

LOGITS = torch.tensor([[2.0], [-1.0], [0.5], [-3.0]])
LABELS = torch.tensor([1, 0, 0, 0])


def loss_of(logits=LOGITS, labels=LABELS, **recipe) -> float:
    settings = Recipe(**recipe)
    weights = class_weights(settings, labels, logits.shape[1])
    return float(image_loss(settings, logits, labels, weights))


def log1pexp(x: float) -> float:
    return math.log1p(math.exp(x))


def test_bce_is_the_mean_log_loss():
    expected = (log1pexp(-2) + log1pexp(-1) + log1pexp(0.5) + log1pexp(-3)) / 4
    assert loss_of(loss="bce") == pytest.approx(expected, rel=1e-6)


def test_balanced_bce_weighs_the_rarer_class_more():
    expected = (3 * log1pexp(-2) + log1pexp(-1) + log1pexp(0.5) + log1pexp(-3)) / 4
    assert loss_of(loss="bce", class_weights="balanced") == pytest.approx(expected, rel=1e-6)


def test_focal_forgets_what_is_easy():
    assert loss_of(loss="focal", focal_gamma=0.0) == pytest.approx(loss_of(loss="bce"))
    expected = 0.0
    for z, y in zip(LOGITS[:, 0].tolist(), LABELS.tolist(), strict=True):
        p = 1 / (1 + math.exp(-z))
        right = p if y else 1 - p
        expected -= (1 - right) ** 2 * math.log(right) / 4
    assert loss_of(loss="focal") == pytest.approx(expected, rel=1e-5)


def test_balanced_cross_entropy_is_the_mean_of_the_classes_means():
    logits = torch.tensor([[1.0, 2.0, 0.5], [0.1, -1.0, 3.0], [0.2, 0.4, 0.1], [2.0, 1.0, 0.0]])
    labels = torch.tensor([1, 0, 0, 2])
    each = functional.cross_entropy(logits, labels, reduction="none")
    expected = (each[0] + (each[1] + each[2]) / 2 + each[3]) / 3
    value = loss_of(logits, labels, loss="cross-entropy", class_weights="balanced")
    assert value == pytest.approx(float(expected), rel=1e-6)


def test_any_of_several_classes_is_a_bce_each():
    logits = torch.tensor([[1.0, -2.0], [0.3, 0.4]])
    labels = torch.tensor([[1, 1], [0, 0]])
    each = [log1pexp(-1.0), log1pexp(2.0), log1pexp(0.3), log1pexp(0.4)]
    assert loss_of(logits, labels, loss="bce") == pytest.approx(sum(each) / 4, rel=1e-6)
    rare = torch.tensor([[1, 1], [0, 0], [0, 0], [0, 1]])
    weights = class_weights(Recipe(class_weights="balanced"), rare, 2)
    assert weights is not None
    assert weights.tolist() == [3.0, 1.0]


def test_smoothing_moves_targets_to_the_middle():
    soft = functional.binary_cross_entropy_with_logits(
        LOGITS[:, 0], torch.tensor([0.95, 0.05, 0.05, 0.05])
    )
    assert loss_of(loss="bce", label_smoothing=0.1) == pytest.approx(float(soft), rel=1e-6)


def test_cross_entropy_over_several_classes():
    logits = torch.tensor([[1.0, 2.0, 0.5], [0.1, -1.0, 3.0]])
    labels = torch.tensor([1, 0])
    expected = functional.cross_entropy(logits, labels, label_smoothing=0.2)
    value = loss_of(logits, labels, loss="cross-entropy", label_smoothing=0.2)
    assert value == pytest.approx(float(expected))
    one_against_rest = loss_of(logits, labels, loss="bce")
    hot = functional.one_hot(labels, 3).float()
    assert one_against_rest == pytest.approx(
        float(functional.binary_cross_entropy_with_logits(logits, hot))
    )


def test_cells_that_a_box_touches_are_positive():
    boxes = torch.tensor([[[17.0, 0.0, 31.0, 9.0], [40.0, 40.0, 40.0, 60.0]]])
    expected = torch.zeros(1, 4, 4)
    expected[0, 0, 1] = 1  # the second box has no width
    assert torch.equal(cell_targets(boxes, 64, 4, 4), expected)
    wider = torch.tensor([[[15.0, 0.0, 33.0, 17.0]]])
    expected[0, :2, :3] = 1
    assert torch.equal(cell_targets(wider, 64, 4, 4), expected)


def test_box_loss_is_left_out_where_boxes_are_unknown():
    maps = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    boxes = torch.tensor([[[0.0, 0.0, 16.0, 16.0]], [[0.0, 0.0, 0.0, 0.0]]])
    box_loss(maps, boxes, torch.tensor([False, True]), 64).backward()
    assert maps.grad is not None
    assert bool((maps.grad[0] == 0).all())
    assert bool((maps.grad[1] > 0).all())  # known to hold nothing: every cell goes down


def test_box_loss_lifts_the_cells_of_a_box():
    maps = torch.zeros(1, 1, 4, 4, requires_grad=True)
    boxes = torch.tensor([[[0.0, 0.0, 16.0, 16.0]]])
    loss = box_loss(maps, boxes, torch.tensor([True]), 64)
    loss.backward()
    assert loss.item() == pytest.approx(16 * 0.25 * math.log(2) / 8, rel=1e-5)
    assert maps.grad is not None
    assert maps.grad[0, 0, 0, 0] < 0
    assert bool((maps.grad[0, 0].flatten()[1:] > 0).all())


def test_cells_are_weighed_by_hand() -> None:
    maps = torch.tensor([[[[2.0, -1.0], [0.0, 1.0]]], [[[3.0, -2.0], [0.5, 0.0]]]])
    boxes = torch.tensor([[[5.0, 0.0, 7.0, 3.0]], [[0.0, 0.0, 0.0, 0.0]]])
    annotated = torch.tensor([True, False])
    loss = cell_loss(maps, torch.tensor([1, 1]), boxes, annotated, size_px=8, positive_weight=4.0)
    cells = log1pexp(2) + 4 * log1pexp(1) + log1pexp(0) + log1pexp(1)
    assert float(loss) == pytest.approx((cells / 4 + 4 * log1pexp(-3)) / 2, rel=1e-5)


def test_without_boxes_only_the_highest_cell_is_taught() -> None:
    maps = torch.tensor([[[[0.2, 0.7], [0.1, 0.3]]]], requires_grad=True)
    unknown = torch.tensor([False])
    loss = cell_loss(
        maps, torch.ones(1), torch.zeros(1, 1, 4), unknown, size_px=64, positive_weight=4.0
    )
    loss.backward()
    assert maps.grad is not None
    assert (maps.grad != 0).flatten().tolist() == [False, True, False, False]


def test_the_weight_of_cells_is_the_images_too() -> None:
    weighed = Recipe(loss="cells", positive_weight=3.0)
    weights = class_weights(weighed, LABELS, 1)
    assert weights is not None
    assert weights.tolist() == [3.0]
    assert loss_of(loss="cells", positive_weight=3.0) == pytest.approx(
        loss_of(loss="bce", class_weights="balanced")
    )
