from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from greenstick.errors import GreenstickError
from greenstick.training.healthy import bone_blocks, find_healthy_bone


class Arrays:
    """A source of images that are at hand."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self.images = images
        self.canvas_px = images.shape[-1]

    def gather(self, keys: Sequence[bytes]) -> NDArray[Any]:
        return self.images[[int(key) for key in keys]]

    @property
    def keys(self) -> list[bytes]:
        return [str(index).encode() for index in range(len(self.images))]


def limb(side: int = 96) -> NDArray[np.uint8]:
    """Flesh with a bright bone down the middle, on black."""
    image = np.zeros((side, side), np.uint8)
    image[:, side // 4 : 3 * side // 4] = 70
    image[:, 3 * side // 8 : 5 * side // 8] = 200
    return image + np.random.default_rng(1).integers(0, 9, image.shape, dtype=np.uint8)


def test_bone_is_found_where_it_is_bright() -> None:
    found = bone_blocks(limb())
    assert found[:, 5:7].all()
    assert not found[:, :3].any()
    assert not found[:, 9:].any()


def test_pieces_show_bone_at_each_scale_and_are_turned() -> None:
    source = Arrays(np.stack([limb()]))
    bone = find_healthy_bone(source, source.keys, 32, (1, 2))
    pieces = bone.draw(40, 32, (1, 2), np.random.default_rng(0))
    assert pieces.shape == (40, 1, 32, 32)
    assert all(piece.max() > 0.7 for piece in pieces)
    lie = (pieces.std(dim=2).mean(dim=(1, 2)) < pieces.std(dim=3).mean(dim=(1, 2))).float().mean()
    assert 0.2 < lie < 0.8  # some bones lie, some stand
    again = bone.draw(40, 32, (1, 2), np.random.default_rng(0))
    assert (pieces == again).all()


def test_black_images_are_left_out_and_none_left_is_an_error() -> None:
    black = np.zeros_like(limb())
    some = Arrays(np.stack([black, limb(), black]))
    assert find_healthy_bone(some, some.keys, 32, (1,)).keys == [b"1"]
    none = Arrays(np.stack([black, np.full_like(black, 90)]))
    with pytest.raises(GreenstickError, match="None of the 2 healthy images shows anything"):
        find_healthy_bone(none, none.keys, 32, (1,))


def test_no_healthy_images_and_small_canvases_are_told() -> None:
    source = Arrays(np.stack([limb()]))
    with pytest.raises(GreenstickError, match="no healthy images"):
        find_healthy_bone(source, [], 32, (1,))
    with pytest.raises(GreenstickError, match="needs canvases of 128 px, and these have 96"):
        find_healthy_bone(source, source.keys, 32, (1, 4))
