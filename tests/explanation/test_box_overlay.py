import numpy as np

from greenstick.explanation.box_overlay import SHOWN_COLOR, TRUE_COLOR, box_overlay


def where(picture: np.ndarray, color: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Return the box around all pixels of a color: left, top, right, bottom."""
    rows, columns = np.nonzero((picture == color).all(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


def test_boxes_lie_around_what_they_mean_in_a_reduced_picture_too() -> None:
    pixels = np.full((800, 600), 0.4, np.float32)  # of an original twice as large
    drawn = box_overlay(
        pixels,
        (1200, 1600),
        true=[(200, 400, 300, 200)],
        shown=[(800, 1000, 100, 160)],
        scores=[0.87],
    )
    picture = np.asarray(drawn)
    assert picture.shape == (826, 600, 3)
    np.testing.assert_allclose(where(picture, TRUE_COLOR), (100, 200, 250, 300), atol=7)
    left, _, _, bottom = where(picture, SHOWN_COLOR)  # its score may be wider, and is above
    np.testing.assert_allclose((left, bottom), (400, 580), atol=7)
    inside = picture[210:290, 110:240]
    assert (inside == inside[0, 0]).all()


def test_the_notice_stands_below_the_picture() -> None:
    pixels = np.zeros((600, 600), np.float32)
    drawn = np.asarray(box_overlay(pixels, (600, 600), true=[], shown=[], scores=[]))
    assert (drawn[:600] == 0).all()
    assert drawn[600:].max() > 200


def test_a_score_at_the_upper_edge_is_written_below_its_box() -> None:
    pixels = np.zeros((600, 600), np.float32)
    drawn = box_overlay(pixels, (600, 600), true=[], shown=[(50, 0, 100, 40)], scores=[0.5])
    words = (np.asarray(drawn)[48:90, 50:150] == SHOWN_COLOR).all(axis=2)
    assert words.sum() > 20
