import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from greenstick.cohorts.audit import Audit, audit_cohort
from greenstick.cohorts.cohort import Cohort, make_cohort
from greenstick.reports.audit_page import write_audit_page


def picture(seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).normal(size=(140, 120))
    smooth = gaussian_filter(noise, 4) + 2 * gaussian_filter(noise, 14)
    return Image.fromarray(np.uint8(np.clip(128 + smooth / smooth.std() * 45, 0, 255)))


@pytest.fixture
def faulty(tmp_path: Path) -> Cohort:
    """Two copies with other labels, a mirrored one, a broken file, a box that lies outside."""
    mirrored = picture(0).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    images = {
        "a.png": picture(0),
        "b.png": picture(0),
        "c.png": mirrored,
        "Doe^Jane.png": picture(1),
        "<i>d</i>.png": picture(2),
        "e.png": picture(3),
    }
    (tmp_path / "<i>d<").mkdir()
    for name, image in images.items():
        image.save(tmp_path / name)
    (tmp_path / "e.png").write_bytes(b"")
    outside = [{"x": 900.0, "y": 900.0, "width": 5.0, "height": 5.0, "class": None}]
    table = pl.DataFrame(
        {
            "image": list(images),
            "label": [0, 1, 0, 1, 1, 0],
            "patient": ["p1", "p2", "p1", "Doe^Jane", None, None],
            "split": ["train", "test", "train", "test", None, "train"],
            "boxes": [None, None, None, outside, outside, None],
        },
        strict=False,
    )
    return make_cohort(table, tmp_path)


def page_of(cohort: Cohort, path: Path) -> tuple[str, Audit]:
    audit = audit_cohort(cohort)
    assert write_audit_page(cohort, audit, path) == path
    return path.read_text(encoding="utf-8"), audit


def test_page_opens_without_network_and_runs_no_script(faulty: Cohort, tmp_path: Path) -> None:
    html, _ = page_of(faulty, tmp_path / "new" / "audit.html")
    assert "Research use only" in html
    assert not re.search(r"<script|https?://|@import|url\(", html)
    assert set(re.findall(r'(?:src|href)="([a-z]+:|#)', html)) == {"data:", "#"}
    assert 'name="viewport"' in html
    assert "@media print" in html


def test_copies_stand_side_by_side_with_what_is_wrong(faulty: Cohort, tmp_path: Path) -> None:
    html, _ = page_of(faulty, tmp_path / "audit.html")
    pairs = re.findall(r'<ul class="pairs">(.*?)</ul>', html, flags=re.DOTALL)[0]
    items = pairs.split("<li>")[1:]
    assert len(items) == 2
    assert items[0].count("<img") == items[1].count("<img") == 2
    assert "Different labels, two sides of the split, listed as different patients" in items[0]
    assert "The same bytes" in items[0]
    assert "Same patient" in items[1]
    assert "mirrored" in items[1]


def test_every_check_is_listed(faulty: Cohort, tmp_path: Path) -> None:
    html, audit = page_of(faulty, tmp_path / "audit.html")
    assert "refused as it stands" in html
    listed = re.findall(r"<code>([a-z-]+)</code>", html)
    assert sorted(listed) == sorted(one.code for one in audit.findings)


def test_a_file_that_does_not_decode_has_no_picture(faulty: Cohort, tmp_path: Path) -> None:
    html, _ = page_of(faulty, tmp_path / "audit.html")
    item = next(i for i in html.split('<li class="case">') if "empty file" in i)
    assert "does not decode" in item
    assert "<img" not in item.partition("</li>")[0]


def test_patients_are_not_named_and_markup_is_escaped(faulty: Cohort, tmp_path: Path) -> None:
    html, _ = page_of(faulty, tmp_path / "audit.html")
    assert "Doe" not in html
    assert "row 3" in html
    assert "<i>d" not in html
    assert "&lt;i&gt;d" in html


def test_a_sound_cohort_may_be_used(tmp_path: Path) -> None:
    for k in range(4):
        picture(k).save(tmp_path / f"{k}.png")
    table = pl.DataFrame({"image": [f"{k}.png" for k in range(4)], "label": [0, 1, 0, 1]})
    html, audit = page_of(make_cohort(table, tmp_path), tmp_path / "audit.html")
    assert not audit.refused
    assert "may be used" in html
    assert "No two files show the same picture" in html
    assert "<img" not in html
