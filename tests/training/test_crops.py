import torch

from greenstick.training.crops import choose_centers, visible_labels
from greenstick.training.recipe import Recipe

BOX = torch.tensor([80.0, 16.0, 96.0, 32.0])


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def boxes_for(n: int) -> torch.Tensor:
    boxes = torch.zeros(n, 3, 4)
    boxes[::2, 1] = BOX  # every other image has one box, not in the first place
    return boxes


def test_a_share_of_the_crops_holds_a_box():
    recipe = Recipe(canvas_px=128, crop_px=32, crop_on_fracture=0.5)
    centers = choose_centers(boxes_for(2000), recipe, generator())
    assert centers is not None
    assert float(centers.min()) >= 16
    assert float(centers.max()) <= 112
    middle = (BOX[:2] + BOX[2:]) / 2
    holds = ((centers - middle).abs() < 16).all(dim=1)
    assert 0.5 < float(holds[::2].float().mean()) < 0.65
    assert float(holds[1::2].float().mean()) < 0.15


def test_without_crops_there_are_no_centers():
    assert choose_centers(boxes_for(4), Recipe(canvas_px=128), generator()) is None


def test_a_fracture_out_of_sight_is_none():
    labels = torch.tensor([1, 1, 1, 0])
    boxes = torch.zeros(4, 1, 4)
    boxes[0, 0] = BOX
    annotated = torch.tensor([True, True, False, True])
    assert visible_labels(labels, boxes, annotated).tolist() == [1, 0, 1, 0]
