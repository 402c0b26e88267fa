"""YOLO: a text file an image, boxes as shares of the image's sides."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from greenstick.cohorts.importers.annotated import Annotated, Marked, table_of
from greenstick.cohorts.importers.class_names import ClassNames
from greenstick.cohorts.importers.files import files_in, note_missing, read_text
from greenstick.cohorts.importers.image_size import image_sizes_px
from greenstick.cohorts.importers.imported import Imported
from greenstick.cohorts.importers.pairing import pair
from greenstick.cohorts.importers.settings import ImportSettings
from greenstick.cohorts.importers.unlisted import with_unlisted
from greenstick.cohorts.importers.yolo_data import YoloData, read_yolo_data
from greenstick.cohorts.outlines import Box, Outline
from greenstick.errors import GreenstickError

#: Text files that lie about in such folders and are no labels.
_NO_LABELS = ("classes.txt", "train.txt", "val.txt", "valid.txt", "test.txt", "requirements.txt")

#: A class number, and a box (center x, center y, width, height) or polygon as shares.
Shares = tuple[int, tuple[float, ...]]


def import_yolo(source: Path, settings: ImportSettings) -> Imported:
    """Import a YOLO folder, or the one that a ``data.yaml`` lies in.

    Layouts: ``images/train`` beside ``labels/train``, ``train/images`` beside ``train/labels``,
    plain ``images`` beside ``labels``, labels beside the images, or labels in the source and
    images in ``settings.images``. An empty label file says that there is no fracture. Polygons
    become the boxes around them, and are kept.

    Raises
    ------
    GreenstickError
        Where there are no images or no labels, a label file is faulty, or a class is not known.
    """
    data = read_yolo_data(source, settings.images)
    labels_root = source if settings.images and source.is_dir() else data.root
    labels = _label_files(labels_root)
    paired = pair(data.images, labels)
    notes = note_missing(paired.orphans, len(labels), data.root, skip=settings.skip_missing)
    files = {i: labels_root / label for i, label in paired.by_image.items() if i in data.splits}
    names = ClassNames(settings.positive, settings.negative, settings.classes)
    table = table_of(_annotated(data, files), names)
    split = pl.Series("split", [data.splits[image] for image in table["image"]], dtype=pl.String)
    imported = Imported(table.with_columns(split), data.root, tuple(notes))
    return with_unlisted(imported, data.splits, negative=settings.unlisted_are_negative)


def _label_files(root: Path) -> list[str]:
    """Return the label files: those in folders called labels, if there is such a folder."""
    texts = [file for file in files_in(root) if file.endswith(".txt")]
    texts = [file for file in texts if not _is_no_label(file.rpartition("/")[2].lower())]
    inside = [file for file in texts if "labels" in file.split("/")[:-1]]
    if not texts:
        raise GreenstickError(
            f"There are no label files (.txt) in {root}.",
            remedy="Give the folder that 'labels' lies in.",
        )
    return inside or texts


def _is_no_label(name: str) -> bool:
    return name in _NO_LABELS or name.startswith("readme")


def _annotated(data: YoloData, files: Mapping[str, Path]) -> list[Annotated]:
    shares = {image: _read_labels(file) for image, file in files.items()}
    # Only images with objects need their size; a broken file without any is left to the audit.
    marked = [image for image, objects in shares.items() if objects]
    sizes = dict(zip(marked, image_sizes_px([data.root / i for i in marked]), strict=True))
    return [
        Annotated(image, tuple(_marked(one, data, sizes[image]) for one in objects))
        for image, objects in shares.items()
    ]


def _read_labels(file: Path) -> list[Shares]:
    lines = enumerate(read_text(file).splitlines(), start=1)
    objects = []
    for number, line in lines:
        words = line.split()
        if not words:
            continue
        try:
            name, *shares = (float(word) for word in words)
        except ValueError:
            shares = []
        # 4 numbers: a box; 5: a box and how sure a detector was; 6 and more: a polygon.
        whole = bool(shares) and name.is_integer() and name >= 0
        if not whole or not (len(shares) in (4, 5) or (len(shares) >= 6 and len(shares) % 2 == 0)):
            raise GreenstickError(
                f"Line {number} of {file} is no YOLO label.",
                remedy="It must be a class number and then 4 numbers, or the points of a polygon.",
            )
        objects.append((int(name), tuple(shares)))
    return objects


def _marked(one: Shares, data: YoloData, size_px: tuple[int, int]) -> Marked:
    number, shares = one
    name, (width, height) = data.class_name(number), size_px
    if len(shares) >= 6:
        points = tuple(share * size_px[place % 2] for place, share in enumerate(shares))
        outline = Outline(polygons=(points,))
        return Marked(name, outline.box, outline)
    box = _corner_box(shares)
    return Marked(name, (box[0] * width, box[1] * height, box[2] * width, box[3] * height))


def _corner_box(shares: tuple[float, ...]) -> Box:
    x, y, width, height = shares[:4]
    return (x - width / 2, y - height / 2, width, height)
