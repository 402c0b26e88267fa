"""COCO files, alone and joined to a table."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools.mask import encode

from greenstick.cohorts.cohort import read_cohort, write_cohort
from greenstick.cohorts.importers import import_cohort, import_settings
from greenstick.cohorts.outlines import box_of_mask, box_of_polygons, outline_of
from greenstick.errors import GreenstickError

MakeImages = Callable[..., list[Path]]


def write_coco(
    path: Path,
    files: Sequence[str],
    annotations: Sequence[dict[str, Any]],
    categories: Sequence[str] = ("fracture", "metal", "spiral"),
) -> Path:
    """Write a COCO file; ids count from 0 in the order given."""
    content = {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(files)],
        "annotations": list(annotations),
        "categories": [{"id": i, "name": name} for i, name in enumerate(categories)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def mark(image: int, category: int, **more: object) -> dict[str, Any]:
    return {"image_id": image, "category_id": category, **more}


def box(x: float, y: float, width: float, height: float, name: str) -> dict[str, object]:
    return {"x": x, "y": y, "width": width, "height": height, "class": name}


def listing(images: list[tuple[Any, Any]], categories: list[tuple[Any, Any]]) -> str:
    """Return a COCO file without annotations, of (id, name) pairs."""
    return json.dumps(
        {
            "images": [{"id": key, "file_name": name} for key, name in images],
            "categories": [{"id": key, "name": name} for key, name in categories],
            "annotations": [],
        }
    )


EMPTY = {"counts": [1, 2], "size": [0, 0]}
BACK = {"counts": [5, -2, 3], "size": [100, 200]}


def test_labels_boxes_and_types(images: MakeImages, tmp_path: Path) -> None:
    images("1.png", "2.png", "3.png", "4.png", "not listed.png")
    path = write_coco(
        tmp_path / "all.json",
        ["1.png", "2.png", "3.png", "4.png"],
        [
            mark(0, 0, bbox=[1, 2, 30, 40]),
            mark(0, 2, bbox=[190, 90, 30, 40.5]),  # stands out of the image: kept as it is
            mark(1, 1, bbox=[5, 6, 7, 8]),
            mark(3, 0),
        ],
    )
    cohort = import_cohort(path, import_settings(positive=["spiral"], negative=["metal"]))
    rows = cohort.table.rows(named=True)
    assert [row["image"] for row in rows] == ["1.png", "2.png", "3.png", "4.png"]
    assert [row["label"] for row in rows] == [1, 0, 0, 1]
    assert [row["fracture_type"] for row in rows] == ["spiral", None, None, None]
    assert rows[0]["boxes"] == [
        box(1, 2, 30, 40, "fracture"),
        box(190, 90, 30, 40.5, "spiral"),
    ]
    assert rows[1]["boxes"] == [], "metal is no fracture"
    assert rows[2]["boxes"] == [], "listed, and nothing found"
    assert rows[3]["boxes"] is None, "a fracture, but not where"
    assert [row["other_objects"] for row in rows] == [None, "metal", None, None]
    assert "no annotation lists were left out: 1, first not listed.png" in cohort.notes[0]


def test_unlisted_are_negative_if_asked(images: MakeImages, tmp_path: Path) -> None:
    images("1.png", "2.png")
    path = write_coco(tmp_path / "all.json", ["1.png"], [mark(0, 0, bbox=[1, 2, 3, 4])])
    cohort = import_cohort(
        path, import_settings(unlisted_are_negative=True, negative=["metal"], positive=["spiral"])
    )
    assert cohort.table.select("image", "label").rows() == [("1.png", 1), ("2.png", 0)]
    assert cohort.table["boxes"].to_list()[1] == []
    assert "were taken for images without a fracture: 1" in cohort.notes[0]


def test_unused_categories_need_no_meaning(images: MakeImages, tmp_path: Path) -> None:
    images("1.png", "2.png")
    path = write_coco(tmp_path / "all.json", ["1.png", "2.png"], [mark(0, 0, bbox=[1, 2, 3, 4])])
    assert import_cohort(path, import_settings()).table["label"].to_list() == [1, 0]


def test_outlines_become_boxes(images: MakeImages, tmp_path: Path) -> None:
    images("1.png")
    polygons = [[10, 20, 30, 20, 30, 60], [5, 30, 6, 31, 7, 30]]
    mask = {"size": [100, 200], "counts": [205, 10, 90, 10, 19685]}
    path = write_coco(
        tmp_path / "all.json",
        ["1.png"],
        [mark(0, 0, segmentation=polygons), mark(0, 0, bbox=[], segmentation=mask)],
    )
    (row,) = import_cohort(path, import_settings()).table.rows(named=True)
    assert row["boxes"] == [box(5, 20, 25, 40, "fracture"), box(2, 5, 2, 10, "fracture")]
    assert row["outlines"] == [
        {"polygons": polygons, "runs": [], "height": None},
        {"polygons": [], "runs": mask["counts"], "height": 100},
    ]


def test_outlines_are_kept_in_the_order_of_the_boxes(images: MakeImages, tmp_path: Path) -> None:
    files = [path.name for path in images("1.png", "2.png", "3.png")]
    rng = np.random.default_rng(0)
    mask = np.asfortranarray(rng.integers(0, 2, (100, 200), np.uint8))
    coded = encode(mask)
    path = write_coco(
        tmp_path / "all.json",
        files,
        [
            mark(0, 1, segmentation=[[1, 1, 9, 1, 9, 9]]),  # metal: no fracture, not kept
            mark(0, 0, bbox=[1, 2, 3, 4], segmentation=[[]]),
            mark(0, 0, segmentation={"counts": coded["counts"].decode(), "size": [100, 200]}),
            mark(1, 0, bbox=[1, 2, 3, 4]),
        ],
    )
    cohort = import_cohort(path, import_settings(negative=["metal"]))
    write_cohort(cohort, tmp_path / "cohort.parquet")
    table = read_cohort(tmp_path / "cohort.parquet").table
    first, second, third = table["outlines"].to_list()
    assert first[0] is None
    assert [len(row) for row in table["boxes"]] == [2, 1, 0]
    runs = first[1]["runs"]
    flat = np.repeat(np.arange(len(runs)) % 2, runs)
    assert (mask == flat.reshape(200, first[1]["height"]).T).all()
    assert (second, third) == ([None], None)


@pytest.mark.parametrize(
    "outline", ["x", 7, [[1, 2, 3]], [3], {"counts": [1]}, [["a", "b"]], EMPTY, BACK]
)
def test_what_is_no_outline_is_refused(images: MakeImages, tmp_path: Path, outline: object) -> None:
    images("1.png")
    annotation = mark(0, 0, bbox=[1, 2, 3, 4], segmentation=outline)
    path = write_coco(tmp_path / "all.json", ["1.png"], [annotation])
    with pytest.raises(GreenstickError, match=r"Annotation 0 .* faulty box or outline"):
        import_cohort(path, import_settings())


def test_folder_with_a_file_a_split(images: MakeImages, tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        images(f"{split}/1.png")  # the same name three times
        write_coco(
            tmp_path / split / "_annotations.coco.json",
            ["1.png"],
            [mark(0, 0, bbox=[1, 2, 3, 4])] if split == "train" else [],
        )
    table = import_cohort(tmp_path, import_settings()).table
    assert table.select("image", "label", "split").rows() == [
        ("test/1.png", 0, "test"),
        ("train/1.png", 1, "train"),
        ("valid/1.png", 0, "valid"),
    ]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "cannot be read as JSON"),
        ("[1]", "no COCO file: it is a list"),
        ('{"images": [], "labels": 3}', "no COCO file: it has images, labels"),
        ('{"images": [{"id": 1}], "annotations": [], "categories": []}', "no id or no file_name"),
        (listing([(1, "a"), (1, "b")], []), "images in .*x.json, 1 have the id of another"),
        (listing([(1, "a"), (2, "a")], []), "lists 1 images twice, first a"),
        (listing([(1, None)], []), "images in .*x.json, one has no id or no file_name"),
        (listing([([1], "a")], []), "images in .*x.json, one has no id or no file_name"),
        (listing([], [(1, "a"), (1, "b")]), "categories in .*x.json, 1 have the id of another"),
        (listing([], [(1, None)]), "categories in .*x.json, one has no id or no name"),
    ],
)
def test_no_coco(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(GreenstickError, match=match):
        import_cohort(tmp_path / "x.json", import_settings())


@pytest.mark.parametrize(
    ("annotation", "match"),
    [
        (mark(0, 9, bbox=[1, 2, 3, 4]), "Annotation 0"),
        (mark(0, 0, bbox=[1, 2, 3]), "Annotation 0"),
        (mark(0, 0, bbox=[1, 2, None, 4]), "Annotation 0"),
        (mark(7, 0, bbox=[1, 2, 3, 4]), "does not list: 1"),
        (mark(0, 2, bbox=[1, 2, 3, 4]), "spiral"),
    ],
)
def test_faulty_annotations(
    images: MakeImages, tmp_path: Path, annotation: dict[str, Any], match: str
) -> None:
    images("1.png")
    path = write_coco(tmp_path / "x.json", ["1.png"], [annotation])
    with pytest.raises(GreenstickError, match=match):
        import_cohort(path, import_settings())


@pytest.mark.parametrize("name", ["{}/images/1.png", "../images/1.png"])
def test_a_file_goes_by_one_name(images: MakeImages, tmp_path: Path, name: str) -> None:
    images("images/1.png", "images/2.png")
    for folder in ("images", "annotations"):
        path = write_coco(
            tmp_path / folder / "x.json", [name.format(tmp_path)], [mark(0, 0, bbox=[1, 2, 3, 4])]
        )
        cohort = import_cohort(path, import_settings(unlisted_are_negative=True))
        write_cohort(cohort, tmp_path / "c.parquet")
        rows = read_cohort(tmp_path / "c.parquet").table.select("image", "label").rows()
        beside = [("images/2.png", 0)] if folder == "images" else []
        assert rows == [("images/1.png", 1), *beside]


def test_missing_images(images: MakeImages, tmp_path: Path) -> None:
    images("1.png")
    path = write_coco(tmp_path / "x.json", ["1.png", "2.png"], [mark(0, 0, bbox=[1, 2, 3, 4])])
    with pytest.raises(GreenstickError, match="1 of 2 listed images"):
        import_cohort(path, import_settings())
    assert len(import_cohort(path, import_settings(skip_missing=True))) == 1


@pytest.fixture
def table_and_boxes(images: MakeImages, tmp_path: Path) -> tuple[Path, Path]:
    """Return a CSV of four images, and boxes for two of them and a stranger."""
    images("1.png", "2.png", "3.png", "4.png")
    (tmp_path / "t.csv").write_text("image,label\n1.png,1\n2.png,1\n3.png,0\n4.png,0\n")
    boxes = write_coco(
        tmp_path / "boxes.json",
        ["else/where/1.png", "4.png", "stranger.png"],
        [mark(0, 2, bbox=[1, 2, 3, 4]), mark(1, 0, bbox=[5, 6, 7, 8])],
    )
    return tmp_path / "t.csv", boxes


def test_join(table_and_boxes: tuple[Path, Path]) -> None:
    table, boxes = table_and_boxes
    cohort = import_cohort(table, import_settings(boxes=boxes, positive=["spiral"]))
    rows = cohort.table.rows(named=True)
    assert [row["label"] for row in rows] == [1, 1, 0, 0], "as the table says"
    assert [row["boxes"] for row in rows] == [
        [box(1, 2, 3, 4, "spiral")],
        None,  # fractured, not listed: not annotated
        [],  # not fractured, not listed: nothing to mark
        [box(5, 6, 7, 8, "fracture")],  # at odds with its label: for the audit to find
    ]
    assert [row["fracture_type"] for row in rows] == ["spiral", None, None, None]
    assert cohort.notes == (
        "Images in boxes.json that are not among those imported: 1; their boxes are not used.",
    )


def test_join_keeps_the_table_s_types(table_and_boxes: tuple[Path, Path]) -> None:
    table, boxes = table_and_boxes
    text = "image,label,fracture_type\n1.png,1,oblique\n2.png,1,\n3.png,0,\n4.png,0,\n"
    table.write_text(text)
    cohort = import_cohort(table, import_settings(boxes=boxes, positive=["spiral"]))
    assert cohort.table["fracture_type"].to_list() == ["oblique", None, None, None]


def test_join_of_one_name_in_two_folders(images: MakeImages, tmp_path: Path) -> None:
    images("fractured/1.png", "normal/1.png")
    marks = [mark(0, 0, bbox=[1, 2, 3, 4])]
    by_name = write_coco(tmp_path / "by_name.json", ["1.png"], marks)
    with pytest.raises(GreenstickError, match=r"to fractured/1\.png or to normal/1\.png"):
        import_cohort(tmp_path, import_settings(format="folders", boxes=by_name))
    by_path = write_coco(tmp_path / "by_path.json", ["fractured/1.png"], marks)
    cohort = import_cohort(tmp_path, import_settings(format="folders", boxes=by_path))
    assert cohort.table["boxes"].list.len().to_list() == [1, 0]


def test_join_of_an_image_listed_twice(table_and_boxes: tuple[Path, Path], tmp_path: Path) -> None:
    boxes = write_coco(tmp_path / "twice.json", ["1.png", "x/1.png"], [])
    with pytest.raises(GreenstickError, match=r"lists 1\.png twice"):
        import_cohort(table_and_boxes[0], import_settings(boxes=boxes))


def test_join_of_strangers_only(table_and_boxes: tuple[Path, Path], tmp_path: Path) -> None:
    boxes = write_coco(tmp_path / "other.json", ["x.png"], [])
    with pytest.raises(GreenstickError, match="None of the 1 images"):
        import_cohort(table_and_boxes[0], import_settings(boxes=boxes))


@given(
    st.integers(1, 12),
    st.lists(st.integers(0, 9), min_size=1, max_size=12),
)
def test_box_of_mask_against_the_mask_itself(height: int, runs: list[int]) -> None:
    flat = np.repeat(np.arange(len(runs)) % 2, runs)
    width = -(-max(len(flat), 1) // height)
    mask = np.zeros(width * height, dtype=int)
    mask[: len(flat)] = flat
    ys, xs = np.nonzero(mask.reshape(width, height).T)
    expected = None
    if len(xs):
        expected = (xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1)
    assert box_of_mask(runs, height_px=height) == expected


def test_compressed_mask() -> None:
    # As the COCO API writes the runs 5, 3, 7, 3, 7, 3, 72 of a 10 x 10 mask: three columns of
    # three pixels, from the column 0 and the row 5 on.
    outline = outline_of({"counts": compressed([5, 3, 7, 3, 7, 3, 72]), "size": [10, 10]})
    assert outline is not None
    assert outline.box == (0, 5, 3, 3)


def compressed(runs: list[int]) -> str:
    """Encode runs as COCO's C code does, written anew from its description."""
    text = ""
    for i, run in enumerate(runs):
        value = run - runs[i - 2] if i > 2 else run
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != (-1 if bits & 0x10 else 0)
            text += chr((bits | (0x20 if more else 0)) + 48)
    return text


@given(st.lists(st.integers(0, 5000), min_size=2, max_size=20))
def test_compressed_and_plain_agree(runs: list[int]) -> None:
    size = [37, 1000]
    assert outline_of({"counts": compressed(runs), "size": size}) == outline_of(
        {"counts": runs, "size": size}
    )


def test_box_of_polygons() -> None:
    assert box_of_polygons([[1, 2, 4, 8, 3, 1]]) == (1.0, 1.0, 3.0, 7.0)
    with pytest.raises(ValueError, match="reshape"):
        box_of_polygons([[1, 2, 3]])
