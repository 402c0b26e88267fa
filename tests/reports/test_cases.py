import base64
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from greenstick.reports.cases import case_name, read_cases


@pytest.mark.parametrize(
    ("image", "patient", "shown"),
    [
        ("images/IMG0001.png", None, "images/IMG0001.png"),
        ("images/IMG0001.png", "1", "images/IMG0001.png"),  # a digit by chance
        ("images/IMG0001.png", "Q-77", "images/IMG0001.png"),
        ("Smith_John/1.png", "Smith_John", "row 3 of scores.parquet"),
        ("smith_john_1.png", "SMITH_JOHN", "row 3 of scores.parquet"),
        ("7/left.png", "7", "row 3 of scores.parquet"),
        ("p7_left.png", "p7", "row 3 of scores.parquet"),
        ("xp0012y.png", "p0012", "row 3 of scores.parquet"),
        ("a+b.png", "a+b", "row 3 of scores.parquet"),
    ],
)
def test_an_image_is_called_by_its_path_unless_that_tells_the_patient(image, patient, shown):
    assert case_name(image, patient, 3) == shown


def scored(kinds: list[str], scores: list[float]) -> pl.DataFrame:
    n = len(kinds)
    return pl.DataFrame(
        {
            "image": [f"{i}.png" for i in range(n)],
            "file": [f"{i}.png" for i in range(n)],
            "kind": kinds,
            "score": scores,
            "label": [int(kind in {"false negative", "true positive"}) for kind in kinds],
            "body_part": ["hand"] * n,
        }
    )


def test_the_most_wrong_come_first_and_kinds_in_a_fixed_order(tmp_path):
    kinds = ["true negative", "false positive", "false negative"] * 3
    table = scored(kinds, [0.01, 0.7, 0.3, 0.02, 0.9, 0.1, 0.03, 0.8, 0.2])
    groups = read_cases(table.drop("body_part"), table, tmp_path, details=["body_part"])
    assert [group.kind for group in groups] == ["false negative", "false positive", "true negative"]
    assert [case.score for case in groups[0].cases] == [0.1, 0.2, 0.3]
    assert [case.score for case in groups[1].cases] == [0.9, 0.8, 0.7]
    assert [case.score for case in groups[2].cases] == [0.01, 0.02, 0.03]
    assert groups[0].cases[0].details == "hand"
    assert "a fracture, scored 0.100" in groups[0].cases[0].alt
    assert "no fracture, scored 0.900" in groups[1].cases[0].alt


def test_whether_the_peak_hits_is_said_where_it_was_measured(tmp_path):
    table = scored(["false negative"] * 3, [0.1, 0.2, 0.3])
    hits = pl.DataFrame({"image": ["0.png", "1.png", "2.png"], "peak_hit": [True, False, None]})
    (group,) = read_cases(table, table, tmp_path, explanations=hits)
    assert [case.details for case in group.cases] == [
        "peak in a box",
        "peak outside the boxes",
        "",
    ]


def test_at_most_twelve_wrong_and_six_right_ones_are_shown(tmp_path):
    kinds = ["false negative"] * 20 + ["true positive"] * 20
    groups = read_cases(scored(kinds, [0.5] * 40), scored(kinds, [0.5] * 40), tmp_path)
    assert [len(group.cases) for group in groups] == [12, 6]


def test_a_picture_becomes_a_thumbnail_of_the_same_shape(tmp_path):
    (tmp_path / "overlays").mkdir()
    Image.new("RGB", (1200, 800), (200, 40, 40)).save(tmp_path / "overlays" / "0.png")
    table = scored(["false negative"], [0.2])
    (group,) = read_cases(table, table, tmp_path)
    head, _, data = group.cases[0].picture.partition(",")
    assert head == "data:image/webp;base64"
    with Image.open(BytesIO(base64.b64decode(data))) as small:
        assert small.size == (360, 240)
        red, green, _ = small.convert("RGB").getpixel((180, 120))
    assert abs(red - 200) < 12
    assert abs(green - 40) < 12


def test_a_row_number_is_that_of_the_scores_table(tmp_path: Path):
    scores = pl.DataFrame(
        {"image": ["a.png", "anna.png"], "patient": [None, "anna"], "score": [0.5, 0.5]}
    )
    overlays = scored(["false negative"], [0.5]).with_columns(image=pl.lit("anna.png"))
    (group,) = read_cases(overlays, scores, tmp_path)
    assert group.cases[0].name == "row 1 of scores.parquet"


@pytest.mark.parametrize(
    ("images", "shown"),
    [
        (["a/b/1.png", "a/b/2.png"], ["1.png", "2.png"]),
        (["../data/x/1.png", "../data/y/2.png"], ["x/1.png", "y/2.png"]),
        (["1.png", "a/2.png"], ["1.png", "a/2.png"]),
        (["/home/u/1.png", "/home/u/v/2.png"], ["1.png", "v/2.png"]),
        (["ab/1.png", "ac/2.png"], ["ab/1.png", "ac/2.png"]),
    ],
)
def test_the_folder_that_all_images_share_is_not_shown(tmp_path, images, shown):
    table = scored(["false negative"] * 2, [0.1, 0.2]).with_columns(image=pl.Series(images))
    (group,) = read_cases(table, table, tmp_path)
    assert [case.name for case in group.cases] == shown
