from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from greenstick.training.augment import Drawn, apply, draw, join, move_boxes
from greenstick.training.recipe import NO_AUGMENTATION, Augmentation

GEOMETRY = NO_AUGMENTATION.model_copy(
    update={"flip_horizontal": True, "flip_vertical": True, "turn_90": True}
)


def no_change(n: int, px: int) -> Drawn:
    return draw(NO_AUGMENTATION, n, canvas_px=px, output_px=px, generator=generator())


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def canvases_with_square(n: int, px: int, box: tuple[int, int, int, int]) -> torch.Tensor:
    canvases = torch.zeros(n, px, px, dtype=torch.uint8)
    left, top, right, bottom = box
    canvases[:, top:bottom, left:right] = 255
    return canvases


def bounds(image: torch.Tensor) -> list[float]:
    rows, columns = torch.nonzero(image > 0.5, as_tuple=True)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_no_change_changes_nothing():
    canvases = torch.randint(256, (3, 20, 20), dtype=torch.uint8, generator=generator())
    images = apply(no_change(3, 20), canvases)
    assert images.shape == (3, 1, 20, 20)
    assert torch.allclose(images[:, 0], canvases / 255.0, atol=1e-5)


def test_what_was_drawn_can_be_replayed():
    canvases = torch.randint(256, (4, 32, 32), dtype=torch.uint8, generator=generator())
    wild = Augmentation(cut_out=0.4, noise=0.2, turn_90=True)
    drawn = draw(wild, 4, canvas_px=32, output_px=32, generator=generator(1))
    again = draw(wild, 4, canvas_px=32, output_px=32, generator=generator(1))
    assert torch.equal(apply(drawn, canvases), apply(drawn, canvases))
    assert torch.equal(apply(drawn, canvases), apply(again, canvases))
    other = draw(wild, 4, canvas_px=32, output_px=32, generator=generator(2))
    assert not torch.equal(apply(drawn, canvases), apply(other, canvases))


def test_flips_and_quarter_turns_are_exact():
    canvas = torch.randint(256, (1, 16, 16), dtype=torch.uint8, generator=generator())
    seen = set()
    for seed in range(60):
        drawn = draw(GEOMETRY, 1, canvas_px=16, output_px=16, generator=generator(seed))
        image = apply(drawn, canvas)[0, 0].mul(255).round().byte()
        expected = [canvas[0].rot90(k) for k in range(4)]
        expected += [turned.flip(0) for turned in expected]
        matches = [i for i, other in enumerate(expected) if torch.equal(image, other)]
        assert len(matches) == 1
        seen.update(matches)
    assert seen == set(range(8))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_boxes_move_with_their_images(seed):
    box = (20, 30, 36, 42)
    wild = Augmentation(flip_vertical=True, turn_90=True, scale=0.2, shift=0.1, rotate_degrees=0)
    plain = {"exposure": 0.0, "contrast": 0.0, "brightness": 0.0, "noise": 0.0}
    wild = wild.model_copy(update=plain)
    drawn = draw(wild, 1, canvas_px=64, output_px=64, generator=generator(seed))
    image = apply(drawn, canvases_with_square(1, 64, box))[0, 0]
    moved = move_boxes(drawn, torch.tensor([[box]], dtype=torch.float32))[0, 0]
    assert moved.tolist() == pytest.approx([float(b) for b in bounds(image)], abs=1.01)


def test_a_crop_shows_its_part_of_the_canvas_at_its_scale():
    canvas = torch.randint(256, (1, 40, 40), dtype=torch.uint8, generator=generator())
    drawn = draw(
        NO_AUGMENTATION,
        1,
        canvas_px=40,
        output_px=16,
        generator=generator(),
        centers=torch.tensor([[12.0, 28.0]]),
    )
    assert torch.allclose(apply(drawn, canvas)[0, 0], canvas[0, 20:36, 4:20] / 255.0, atol=1e-5)
    inside, outside = [6.0, 22.0, 10.0, 30.0], [30.0, 2.0, 38.0, 8.0]
    moved = move_boxes(drawn, torch.tensor([[inside, outside]]))[0]
    assert moved[0].tolist() == pytest.approx([2.0, 2.0, 6.0, 10.0])
    assert (moved[1, 2] - moved[1, 0]) * (moved[1, 3] - moved[1, 1]) == 0


def test_a_smaller_output_may_show_the_whole_canvas():
    canvas = canvases_with_square(1, 64, (16, 0, 32, 64))
    drawn = draw(NO_AUGMENTATION, 1, canvas_px=64, output_px=32, generator=generator(), step=2.0)
    assert bounds(apply(drawn, canvas)[0, 0]) == [8, 0, 16, 32]


def test_exposure_contrast_noise_and_holes():
    canvases = torch.full((1, 24, 24), 128, dtype=torch.uint8)
    base = no_change(1, 24)
    level = 128 / 255
    assert apply(replace(base, gamma=torch.tensor([2.0])), canvases).mean() == pytest.approx(
        level**2, abs=1e-4
    )
    darker = canvases // 2
    assert apply(replace(base, contrast=torch.tensor([0.5])), darker).mean() == pytest.approx(
        0.5 + (64 / 255 - 0.5) / 2, abs=1e-4
    )
    noisy = apply(replace(base, noise=torch.tensor([0.1])), canvases)
    assert noisy.std() == pytest.approx(0.1, rel=0.15)
    hole = apply(replace(base, holes=torch.tensor([[0.5, 0.5, 0.5]])), canvases)[0, 0]
    assert bool((hole[6:18, 6:18] == 0).all())
    assert float((hole == 0).float().mean()) == pytest.approx(0.25)


def test_joined_draws_are_those_of_each():
    canvases = torch.randint(256, (3, 32, 32), dtype=torch.uint8, generator=generator())
    wild = Augmentation(cut_out=0.4, noise=0.2, turn_90=True, resized_crop=0.5)
    drawn = [
        draw(wild, 1, canvas_px=32, output_px=32, generator=generator(seed)) for seed in range(3)
    ]
    alone = [apply(one, canvas[None]) for one, canvas in zip(drawn, canvases, strict=True)]
    assert torch.equal(apply(join(drawn), canvases), torch.cat(alone))


def test_a_resized_crop_shows_a_share_of_the_image_and_nothing_else():
    cropped = NO_AUGMENTATION.model_copy(update={"resized_crop": 0.25})
    drawn = draw(cropped, 500, canvas_px=40, output_px=40, generator=generator())
    whole = torch.tensor([[[0.0, 0.0, 40.0, 40.0]]]).repeat(500, 1, 1)
    inside = move_boxes(drawn, whole)  # cut at the output's edges: the canvas covers all of it
    assert torch.allclose(inside, whole, atol=1e-3)
    shares = torch.linalg.det(drawn.turns)
    assert 0.25 <= float(shares.min()) < 0.27
    assert 0.98 < float(shares.max()) <= 1.0
    assert float(drawn.centers.std(dim=0).min()) > 2.0
    image = apply(drawn, torch.full((500, 40, 40), 255, dtype=torch.uint8))
    assert float(image[..., 1:-1, 1:-1].min()) > 0.99  # half a pixel at the edge is mixed with none


def test_values_stay_in_range_and_half_are_mirrored():
    wild = Augmentation(brightness=0.9, contrast=0.9, noise=0.5)
    drawn = draw(wild, 400, canvas_px=8, output_px=8, generator=generator())
    images = apply(drawn, torch.randint(256, (400, 8, 8), dtype=torch.uint8))
    assert images.min() >= 0
    assert images.max() <= 1
    mirrored = torch.linalg.det(drawn.turns) < 0
    assert 0.4 < float(mirrored.float().mean()) < 0.6
