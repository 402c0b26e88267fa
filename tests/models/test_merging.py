import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.ops import batched_nms, nms

from greenstick.models.merging import merge


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(0, 60), iou=st.sampled_from([0.3, 0.5, 0.7]))
def test_keeps_what_torchvision_keeps(seed: int, n: int, iou: float) -> None:
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 60, (n, 2))
    corners = np.concatenate([start, start + rng.uniform(1, 50, (n, 2))], axis=1)
    scores = rng.permutation(n) / max(n, 1)
    kept = nms(torch.from_numpy(corners), torch.from_numpy(scores), iou).numpy()
    merged = merge(corners, scores[:, None], iou=iou, least=0.0)
    np.testing.assert_allclose(merged.corners, corners[kept])
    np.testing.assert_allclose(merged.scores, scores[kept])


def test_no_more_than_wanted_and_no_score_too_low() -> None:
    corners = np.array([[10.0 * i, 0, 10 * i + 5, 5] for i in range(20)])
    scores = np.linspace(0.01, 0.2, 20)[:, None]
    assert len(merge(corners, scores, most=3).scores) == 3
    assert len(merge(corners, scores, least=0.095).scores) == 11


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 40))
def test_classes_are_merged_each_by_itself(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 60, (n, 2))
    corners = np.concatenate([start, start + rng.uniform(1, 50, (n, 2))], axis=1)
    scores = (rng.permutation(3 * n) / (3 * n)).reshape(n, 3)
    flat = torch.from_numpy(scores.ravel())
    boxes, kinds = torch.from_numpy(corners).repeat_interleave(3, 0), torch.arange(3).repeat(n)
    merged = merge(corners, scores, least=0.0)
    kept = batched_nms(boxes, flat, kinds, 0.5).numpy()[:100]
    np.testing.assert_allclose(merged.scores, flat[kept])
    assert merged.classes.tolist() == kinds[kept].tolist()
    alone = merge(corners, scores, least=0.0, across=True)
    np.testing.assert_allclose(alone.scores, flat[nms(boxes, flat, 0.5)])


def test_a_set_keeps_its_boxes_and_shows_one_class_a_place() -> None:
    corners = np.array([[0.0, 0, 10, 10], [0, 0, 10, 10], [1, 0, 11, 10]])
    scores = np.array([[0.9, 0.3], [0.8, 0.1], [0.2, 0.7]])
    each = merge(corners, scores, iou=1.0, least=0.0)
    assert len(each.scores) == 6
    one = merge(corners, scores, iou=1.0, least=0.0, across=True)
    assert one.scores.tolist() == [0.9, 0.8, 0.2]
    assert one.classes.tolist() == [0, 0, 0]
