import torch
from torch import Generator

from greenstick.training.mosaic import mosaic
from greenstick.training.views import View

SIZE = 96


def views(n: int = 6) -> View:
    """Return images, each with a bright square of its own gray level; the last one's is unknown."""
    images, boxes = torch.zeros(n, 1, SIZE, SIZE), torch.zeros(n, 2, 4)
    for i in range(n):
        left, top = 20 + 6 * i, 50 - 5 * i
        images[i, 0, top : top + 24, left : left + 30] = 0.4 + 0.1 * i
        boxes[i, 0] = torch.tensor([left, top, left + 30, top + 24])
    known = torch.arange(n) < n - 1
    kinds = torch.stack([torch.arange(n), torch.zeros(n, dtype=torch.int64)], dim=1)
    return View(images, boxes, kinds, known, torch.ones(n, dtype=torch.int64))


def test_boxes_move_with_their_parts() -> None:
    view = views()
    seen = 0
    for seed in range(20):
        made = mosaic(view, 1.0, Generator().manual_seed(seed))
        assert made.images.shape == view.images.shape
        assert made.boxes.shape == (6, 8, 4)
        for image, boxes, kinds in zip(made.images[:5], made.boxes, made.box_classes, strict=False):
            for box, kind in zip(boxes, kinds, strict=True):
                left, top, right, bottom = box.round().int().tolist()
                if right - left < 4 or bottom - top < 4:
                    continue
                seen += 1
                inside = image[0, top + 1 : bottom - 1, left + 1 : right - 1]
                assert bool((inside - (0.4 + 0.1 * int(kind))).abs().max() < 0.02)
                image[0, max(0, top - 1) : bottom + 1, max(0, left - 1) : right + 1] = 0.0
            # What is left are slivers of boxes too small to be looked at, and blurred edges.
            assert float((image > 0.35).float().mean()) < 0.01
    assert seen > 150


def test_a_share_becomes_mosaics_and_the_unknown_takes_no_part() -> None:
    view = views()
    same = mosaic(view, 0.0, Generator().manual_seed(0))
    assert torch.equal(same.images, view.images)
    assert torch.equal(same.boxes[:, :2], view.boxes)
    assert not same.boxes[:, 2:].any()
    changed = torch.zeros(6)
    for seed in range(100):
        made = mosaic(view, 0.4, Generator().manual_seed(seed))
        changed += (made.images != view.images).flatten(1).any(1)
        assert not (made.box_classes[:5][made.boxes[:5, :, 2] > made.boxes[:5, :, 0]] == 5).any()
    assert changed[5] == 0
    assert 0.3 < float(changed[:5].mean()) / 100 < 0.5


def test_the_same_seed_draws_the_same() -> None:
    one, other = (mosaic(views(), 0.7, Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one.images, other.images)
    assert torch.equal(one.boxes, other.boxes)
