import io
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from greenstick.cohorts.audit import Audit, audit_cohort, drop_rows, drop_to, write_audit_json
from greenstick.cohorts.cohort import Cohort, make_cohort, read_cohort
from greenstick.errors import GreenstickError
from greenstick.findings import Finding, Severity

ERROR, WARNING, NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
PASSED, NOT_APPLICABLE = Severity.PASSED, Severity.NOT_APPLICABLE


def picture(seed: int, width: int = 120, height: int = 140) -> Image.Image:
    """Draw a picture that resembles no other."""
    noise = np.random.default_rng(seed).normal(size=(height, width))
    smooth = gaussian_filter(noise, 4) + 2 * gaussian_filter(noise, 14)
    return Image.fromarray(np.uint8(np.clip(128 + smooth / smooth.std() * 45, 0, 255)))


def cohort_of(folder: Path, images: Mapping[str, Image.Image], **columns: object) -> Cohort:
    """Write images as PNG and return their cohort; labels alternate unless given."""
    for name, image in images.items():
        image.save(folder / name)
    table: dict[str, object] = {"image": list(images), "label": [k % 2 for k in range(len(images))]}
    return make_cohort(pl.DataFrame(table | columns, strict=False), folder)


def different(n: int) -> dict[str, Image.Image]:
    return {f"{k}.png": picture(k) for k in range(n)}


def finding(audit: Audit, code: str) -> Finding:
    return next(one for one in audit.findings if one.code == code)


def severities(audit: Audit) -> dict[str, Severity]:
    return {one.code: one.severity for one in audit.findings}


def box(x: float, y: float, width: float, height: float) -> dict[str, object]:
    return {"x": x, "y": y, "width": width, "height": height, "class": None}


# ---- a sound cohort ----


def test_a_sound_cohort_passes_and_says_what_could_not_be_checked(tmp_path: Path) -> None:
    audit = audit_cohort(cohort_of(tmp_path, different(6)))
    found = severities(audit)
    assert not audit.refused
    assert audit.rows.is_empty()
    assert found.pop("class-too-small") is WARNING
    assert {code for code, severity in found.items() if severity is NOT_APPLICABLE} == {
        "duplicate-across-splits",
        "duplicate-within-patient",
        "near-duplicate-across-splits",
        "near-duplicate-within-patient",
        "boxes-without-fracture",
        "fracture-without-boxes",
        "box-without-area",
        "box-outside-image",
        "box-overhangs-image",
        "patient-across-splits",
        "split-of-one-class",
    }
    assert set(found.values()) == {PASSED, NOT_APPLICABLE}


def test_progress_counts_every_image(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    audit_cohort(cohort_of(tmp_path, different(5)), workers=2, progress=lambda *at: seen.append(at))
    assert seen == [(k, 5) for k in range(1, 6)]


# ---- files ----


def test_missing_and_broken_files(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, different(5))
    (tmp_path / "1.png").unlink()
    whole = io.BytesIO()
    picture(9, 300, 300).save(whole, "JPEG")
    (tmp_path / "2.png").write_bytes(whole.getvalue()[:-4000])  # its last rows are gone
    (tmp_path / "3.png").write_bytes(b"no picture")
    (tmp_path / "4.png").write_bytes(b"")
    audit = audit_cohort(cohort)
    assert finding(audit, "missing-file").rows == (1,)
    assert finding(audit, "undecodable").rows == (2, 3, 4)
    assert audit.refused
    messages = " ".join(audit.rows["message"])
    assert "last row" in messages
    assert "empty file" in messages
    assert ".png" not in messages  # a file's name may hold a patient's


def test_what_is_no_file_of_its_own(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, different(2))
    (tmp_path / "folder").mkdir()
    (tmp_path / "round").symlink_to("round")
    os.mkfifo(tmp_path / "pipe")
    names = ["folder", "round", "pipe", "0.png/1.png", "a\0b"]
    table = pl.concat(
        [cohort.table, pl.concat([cohort.table.head(1)] * 5).with_columns(image=pl.Series(names))]
    )
    audit = audit_cohort(make_cohort(table, tmp_path))
    assert finding(audit, "undecodable").rows == (2, 3, 4)
    assert finding(audit, "missing-file").rows == (5, 6)
    assert "not a file of its own" in audit.rows["message"][2]


def test_when_nothing_decodes_copies_and_color_do_not_apply(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, different(2))
    for name in ("0.png", "1.png"):
        (tmp_path / name).write_bytes(b"no picture " + name.encode())
    found = severities(audit_cohort(cohort))
    for code in ("blank-image", "color-photograph", "near-duplicate-across-patients"):
        assert found[code] is NOT_APPLICABLE


def test_blank_images_are_errors_and_not_copies_of_each_other(tmp_path: Path) -> None:
    blank = {"a.png": Image.new("L", (50, 60), 30), "b.png": Image.new("L", (60, 50), 200)}
    audit = audit_cohort(cohort_of(tmp_path, {**different(2), **blank}))
    assert finding(audit, "blank-image").rows == (2, 3)
    assert severities(audit)["near-duplicate-across-patients"] is PASSED


def test_color_photograph(tmp_path: Path) -> None:
    red, green, blue = (picture(k) for k in (11, 12, 13))
    photograph = Image.merge("RGB", (red, green, blue))
    gray_as_rgb = picture(14).convert("RGB")
    audit = audit_cohort(cohort_of(tmp_path, {"photo.png": photograph, "gray.png": gray_as_rgb}))
    assert finding(audit, "color-photograph").rows == (0,)
    assert finding(audit, "color-photograph").severity is ERROR


# ---- copies ----


@pytest.mark.parametrize(
    ("columns", "code", "severity"),
    [
        ({"label": [0, 1, 0]}, "duplicate-across-labels", ERROR),
        (
            {"label": [0, 0, 1], "split": ["train", "test", "test"]},
            "duplicate-across-splits",
            ERROR,
        ),
        ({"label": [0, 0, 1], "patient": ["p", "q", "r"]}, "duplicate-across-patients", ERROR),
        ({"label": [0, 0, 1], "patient": ["p", "p", "r"]}, "duplicate-within-patient", NOTE),
    ],
)
@pytest.mark.parametrize("exact", [True, False])
def test_copies(
    tmp_path: Path, columns: dict[str, object], code: str, severity: Severity, exact: bool
) -> None:
    other = picture(0) if exact else picture(0).transpose(Image.Transpose.ROTATE_90)
    images = {"a.png": picture(0), "b.png": other, "c.png": picture(2)}
    audit = audit_cohort(cohort_of(tmp_path, images, **columns))
    code = code if exact else f"near-{code}"
    one = finding(audit, code)
    assert one.severity is severity
    assert one.rows == (0, 1)
    assert one.remedy
    hit = audit.rows.filter(code=code).row(0, named=True)
    assert (hit["row"], hit["partner_row"], hit["partner"]) == (1, 0, "a.png")
    assert "the same bytes" in hit["message"] if exact else "turned by 90" in hit["message"]


@pytest.mark.parametrize("pose", list(Image.Transpose))
def test_turned_mirrored_darkened_and_recompressed_copies(
    tmp_path: Path, pose: Image.Transpose
) -> None:
    changed = picture(0, 300, 360).transpose(pose).point([int(0.7 * v + 9) for v in range(256)])
    changed.resize((changed.width // 2, changed.height // 2)).save(tmp_path / "b.jpg", quality=40)
    cohort = cohort_of(tmp_path, {"a.png": picture(0, 300, 360), **different(2)})
    table = pl.concat([cohort.table, cohort.table.head(1).with_columns(image=pl.lit("b.jpg"))])
    audit = audit_cohort(make_cohort(table, tmp_path))
    assert finding(audit, "near-duplicate-across-patients").rows == (0, 3)


def test_copies_that_lack_a_label_do_not_contradict(tmp_path: Path) -> None:
    images = {"a.png": picture(0), "b.png": picture(0), "c.png": picture(1), "d.png": picture(2)}
    cohort = cohort_of(tmp_path, images, label=[1, None, 0, 1])
    assert severities(audit_cohort(cohort))["duplicate-across-labels"] is PASSED


@pytest.mark.parametrize(
    ("column", "values", "code"),
    [
        ("label", [None, 1, 0], "near-duplicate-across-labels"),
        ("split", [None, "train", "test"], "near-duplicate-across-splits"),
    ],
)
def test_copies_at_odds_by_way_of_one_that_is_silent(
    tmp_path: Path, column: str, values: list[object], code: str
) -> None:
    images = {"a.png": picture(0), "b.png": picture(0), "c.png": picture(0), "d.png": picture(1)}
    columns = {"label": [1, 1, 1, 0], "split": None, "patient": ["p"] * 3 + ["q"]}
    cohort = cohort_of(tmp_path, images, **(columns | {column: [*values, values[1]]}))
    one = finding(audit_cohort(cohort), code)
    assert (one.severity, one.rows) == (ERROR, (1, 2)), "the first is a copy of both"
    kept, _ = drop_rows(cohort, audit_cohort(cohort))
    assert not audit_cohort(kept).refused


# ---- labels and boxes ----


def test_labels_at_odds_with_boxes(tmp_path: Path) -> None:
    cohort = cohort_of(
        tmp_path,
        different(4),
        label=[0, 0, 1, 1],
        boxes=[[box(5, 5, 20, 20)], None, [], None],
    )
    audit = audit_cohort(cohort)
    at_odds = finding(audit, "boxes-without-fracture")
    assert (at_odds.severity, at_odds.rows) == (ERROR, (0,))
    without = finding(audit, "fracture-without-boxes")
    assert (without.severity, without.rows) == (WARNING, (2,))  # null: not annotated


@pytest.mark.parametrize(
    ("one", "code", "severity"),
    [
        (box(10, 10, 0, 5), "box-without-area", ERROR),
        (box(10, 10, -3, 5), "box-without-area", ERROR),
        (box(float("nan"), 10, 3, 5), "box-without-area", ERROR),
        (box(120, 10, 30, 5), "box-outside-image", ERROR),
        (box(-50, 10, 50, 5), "box-outside-image", ERROR),
        (box(100, 10, 30, 5), "box-overhangs-image", WARNING),
    ],
)
def test_boxes_that_are_wrong(
    tmp_path: Path, one: dict[str, object], code: str, severity: Severity
) -> None:
    cohort = cohort_of(tmp_path, different(2), boxes=[None, [box(1, 1, 9, 9), one]])
    audit = audit_cohort(cohort)
    assert (finding(audit, code).severity, finding(audit, code).rows) == (severity, (1,))
    others = {"box-without-area", "box-outside-image", "box-overhangs-image"} - {code}
    assert {severities(audit)[other] for other in others} == {PASSED}


def test_a_box_may_overhang_by_a_rounded_pixel(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, different(2), boxes=[None, [box(-0.6, 0, 121.5, 141)]])
    assert severities(audit_cohort(cohort))["box-overhangs-image"] is PASSED


# ---- patients, splits, classes ----


def test_patient_across_splits(tmp_path: Path) -> None:
    cohort = cohort_of(
        tmp_path,
        different(6),
        patient=["p", "p", "q", "q", None, None],
        split=["train", "test", "train", "train", "train", "test"],
    )
    audit = audit_cohort(cohort)
    assert finding(audit, "patient-across-splits").rows == (0, 1)
    assert finding(audit, "patient-across-splits").severity is ERROR


@pytest.mark.parametrize(
    ("labels", "severity", "word"),
    [
        ([1, 1, 1, 1], WARNING, "Every label"),
        ([None] * 4, NOT_APPLICABLE, "No image"),
        ([0, 0, 0, 1], WARNING, "1 patient"),
    ],
)
def test_classes(tmp_path: Path, labels: list[int], severity: Severity, word: str) -> None:
    one = finding(audit_cohort(cohort_of(tmp_path, different(4), label=labels)), "class-too-small")
    assert one.severity is severity
    assert word in one.message


def test_missing_labels_are_noted(tmp_path: Path) -> None:
    audit = audit_cohort(cohort_of(tmp_path, different(3), label=[0, None, 1]))
    assert (finding(audit, "label-missing").severity, finding(audit, "label-missing").rows) == (
        NOTE,
        (1,),
    )


def test_a_split_of_one_class(tmp_path: Path) -> None:
    split = ["train", "train", "test", None]
    audit = audit_cohort(cohort_of(tmp_path, different(4), label=[0, 1, 1, 0], split=split))
    assert finding(audit, "split-of-one-class").severity is WARNING
    assert "test" in finding(audit, "split-of-one-class").message


# ---- dropping ----


def reasons(dropped: pl.DataFrame) -> dict[str, str]:
    return {image: reason.partition(":")[0] for image, reason in dropped.rows()}


def test_of_agreeing_copies_the_one_on_the_test_side_stays(tmp_path: Path) -> None:
    images = {"a.png": picture(0), "b.png": picture(0), "c.png": picture(0), "d.png": picture(1)}
    split = ["train", "valid", "test", "train"]
    cohort = cohort_of(tmp_path, images, label=[1, 1, 1, 0], split=split)
    cleaned, dropped = drop_rows(cohort, audit_cohort(cohort))
    assert cleaned.table["image"].to_list() == ["c.png", "d.png"]
    assert reasons(dropped) == {"a.png": "copy", "b.png": "copy"}
    assert "row 2" in dropped["reason"][0]


def test_of_copies_that_disagree_none_stays(tmp_path: Path) -> None:
    turned = picture(0).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    images = {"a.png": picture(0), "b.png": picture(0), "c.png": turned, "d.png": picture(1)}
    cohort = cohort_of(tmp_path, images, label=[1, 1, 0, 0])
    cleaned, dropped = drop_rows(cohort, audit_cohort(cohort))
    assert cleaned.table["image"].to_list() == ["d.png"]
    assert set(reasons(dropped).values()) == {"copies-disagree"}


def test_of_copies_the_labeled_annotated_first_one_stays(tmp_path: Path) -> None:
    images = {f"{k}.png": picture(0) for k in range(4)} | {"z.png": picture(1)}
    boxes = [None, None, [box(1, 1, 9, 9)], [box(1, 1, 9, 9)], None]
    cohort = cohort_of(tmp_path, images, label=[None, 1, 1, 1, 0], boxes=boxes)
    cleaned, _ = drop_rows(cohort, audit_cohort(cohort))
    assert cleaned.table["image"].to_list() == ["2.png", "z.png"]


def test_copies_of_one_patient_stay_together(tmp_path: Path) -> None:
    turned = picture(0).transpose(Image.Transpose.ROTATE_90)
    images = {"a.png": picture(0), "b.png": picture(0), "c.png": turned, "d.png": picture(1)}
    cohort = cohort_of(tmp_path, images, label=[1, 1, 1, 0], patient=["q", "p", "p", "r"])
    _, dropped = drop_rows(cohort, audit_cohort(cohort))
    assert reasons(dropped) == {"b.png": "copy", "c.png": "copy"}  # of a.png, another patient's
    alone = cohort.with_table(cohort.table[1:])
    audit = audit_cohort(alone)
    assert not audit.refused
    _, dropped = drop_rows(alone, audit)
    assert dropped.is_empty()
    torn = alone.with_table(alone.table.with_columns(label=pl.Series([1, 0, 0], dtype=pl.Int8)))
    _, dropped = drop_rows(torn, audit_cohort(torn))
    assert set(reasons(dropped).values()) == {"copies-disagree"}


def test_a_torn_patient_stays_on_the_test_side(tmp_path: Path) -> None:
    cohort = cohort_of(
        tmp_path,
        different(5),
        patient=["p", "p", "p", "q", "q"],
        split=["train", "test", "valid", "train", "valid"],
    )
    cleaned, dropped = drop_rows(cohort, audit_cohort(cohort))
    assert cleaned.table["image"].to_list() == ["1.png", "4.png"]
    assert set(reasons(dropped).values()) == {"patient-across-splits"}


def test_after_dropping_the_audit_accepts(tmp_path: Path) -> None:
    images = different(12)
    images |= {
        "copy.png": picture(0),
        "turned.png": picture(1).transpose(Image.Transpose.ROTATE_270),
    }
    images |= {"dark.png": picture(2).point([v // 2 for v in range(256)])}
    images |= {"blank.png": Image.new("L", (30, 30))}
    cohort = cohort_of(
        tmp_path,
        images,
        patient=[f"p{k // 2}" for k in range(16)],
        split=[("train", "test", "train", "valid")[k % 4] for k in range(16)],
        boxes=[[box(500, 500, 5, 5)] if k == 5 else None for k in range(16)],
    )
    (tmp_path / "3.png").write_bytes(b"")
    audit = audit_cohort(cohort)
    assert audit.refused
    cleaned, dropped = drop_rows(cohort, audit)
    assert not audit_cohort(cleaned).refused
    assert len(cleaned) + len(dropped) == 16
    assert not set(cleaned.table["image"]) & set(dropped["image"])


def test_drop_to_writes_the_cohort_and_its_dropped_rows(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, {**different(3), "copy.png": picture(0)}, label=[0, 1, 1, 0])
    dropped = drop_to(cohort, audit_cohort(cohort), tmp_path / "out" / "clean.parquet")
    assert pl.read_parquet(tmp_path / "out" / "clean.dropped.parquet").equals(dropped)
    written = read_cohort(tmp_path / "out" / "clean.parquet")
    assert [path.name for path in written.paths()] == ["0.png", "1.png", "2.png"]
    assert all(path.is_file() for path in written.paths())


def test_a_cohort_without_errors_loses_nothing(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, different(4))
    cleaned, dropped = drop_rows(cohort, audit_cohort(cohort))
    assert cleaned.table.equals(cohort.table)
    assert dropped.is_empty()


def test_dropping_everything_is_refused(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, different(2))
    for name in ("0.png", "1.png"):
        (tmp_path / name).unlink()
    with pytest.raises(GreenstickError, match="none would be left"):
        drop_rows(cohort, audit_cohort(cohort))


def test_an_audit_of_another_cohort_is_refused(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, different(3))
    shorter = cohort.with_table(cohort.table.head(2))
    with pytest.raises(GreenstickError, match="another cohort"):
        drop_rows(shorter, audit_cohort(cohort))


# ---- JSON ----


def test_json_lists_findings_and_rows(tmp_path: Path) -> None:
    cohort = cohort_of(tmp_path, {**different(2), "copy.png": picture(0)}, label=[0, 1, 1])
    write_audit_json(audit_cohort(cohort), tmp_path / "new" / "audit.json")
    written = json.loads((tmp_path / "new" / "audit.json").read_text())
    assert "Research use only" in written["research_use"]
    assert (written["images"], written["refused"]) == (3, True)
    found = {one["code"]: one for one in written["findings"]}
    assert found["duplicate-across-labels"]["rows"] == [0, 2]
    assert found["patient-across-splits"]["severity"] == "not applicable"
    assert written["rows"][0]["image"] == "copy.png"
    assert written["rows"][0]["partner"] == "0.png"


def test_json_never_holds_a_patient(tmp_path: Path) -> None:
    (tmp_path / "Smith^Anna").mkdir()
    images = {"Smith^Anna/1.png": picture(0), "Smith^Anna/2.png": picture(0), "x.png": picture(0)}
    cohort = cohort_of(
        tmp_path,
        images,
        label=[0, 1, 0],
        patient=["Smith^Anna", "Smith^Anna", "4711"],
        split=["train", "test", "test"],
    )
    audit = audit_cohort(cohort)
    write_audit_json(audit, tmp_path / "audit.json")
    text = (tmp_path / "audit.json").read_text()
    assert "Smith" not in text
    assert "4711" not in text
    assert '"row 1"' in text
    assert "x.png" in text


# ---- real radiographs ----


def test_fracatlas_pairs_and_broken_files(fracatlas: Path) -> None:
    copies = [(2646, 4072), (2647, 4071), (2652, 4067), (236, 237), (2749, 4113), (2376, 2377)]
    alike = [(1260, 1813), (2902, 3797), (674, 1237), (3045, 3258), (2735, 2737), (1094, 1375)]
    numbers = [number for pair in (*copies, *alike) for number in pair]
    table = pl.DataFrame(
        {"image": [f"images/IMG{n:07}.jpg" for n in numbers], "label": [0] * len(numbers)}
    )
    audit = audit_cohort(make_cohort(table, fracatlas))
    hits = audit.rows.filter(code="near-duplicate-across-patients")
    found = {(numbers[a], numbers[b]) for a, b in hits.select("partner_row", "row").rows()}
    assert found == set(copies)


@pytest.mark.slow
def test_fracatlas_whole(fracatlas: Path) -> None:
    labels = pl.read_csv(fracatlas / "dataset.csv")
    number = pl.col("image_id").str.extract(r"(\d+)").cast(pl.Int32)
    side = pl.when(number < 3297).then(pl.lit("train")).when(number >= 3714).then(pl.lit("test"))
    image = "images/" + pl.col("image_id")
    cohort = make_cohort(labels.select(image=image, label="fractured", split=side), fracatlas)
    audit = audit_cohort(cohort)
    assert len(finding(audit, "undecodable").rows) == 59
    assert len(finding(audit, "duplicate-across-patients").rows) == 27
    assert finding(audit, "near-duplicate-across-labels").severity is ERROR
    cleaned, dropped = drop_rows(cohort, audit)
    assert dropped.height == 173
    assert not audit_cohort(cleaned).refused
