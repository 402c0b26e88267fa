"""Pascal VOC: an XML file an image, boxes by their corners (Everingham et al., 2010)."""

from collections.abc import Collection, Sequence
from pathlib import Path
from xml.etree import ElementTree

import polars as pl

from greenstick.cohorts.importers.annotated import Annotated, Marked, table_of
from greenstick.cohorts.importers.class_names import ClassNames
from greenstick.cohorts.importers.files import (
    SPLIT_NAMES,
    files_in,
    images_in,
    note_missing,
    read_text,
    split_in,
    stem,
)
from greenstick.cohorts.importers.imported import Imported
from greenstick.cohorts.importers.pairing import pair
from greenstick.cohorts.importers.settings import ImportSettings
from greenstick.cohorts.importers.unlisted import with_unlisted
from greenstick.errors import GreenstickError

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def import_voc(source: Path, settings: ImportSettings) -> Imported:
    """Import a folder with Pascal VOC files and images, in folders of their own or mixed.

    An XML file belongs to the image of its own name; what it says in ``filename`` is not looked
    at, since tools that rename images leave it as it was. Lists in ``ImageSets/Main`` give the
    split, else folders named train, valid and test do. A box is (xmin, ymin, xmax - xmin,
    ymax - ymin).

    Raises
    ------
    GreenstickError
        Where there are no XML files, one is faulty, an image is missing, or a class is not known.
    """
    files = files_in(source)
    annotations = [file for file in files if file.endswith(".xml")]
    if not annotations:
        raise GreenstickError(
            f"There are no XML files in {source}.", remedy="Give the folder 'Annotations' lies in."
        )
    root = settings.images or source
    images = images_in(root)
    paired = pair(images, annotations)
    notes = note_missing(paired.orphans, len(annotations), root, skip=settings.skip_missing)
    annotated = [Annotated(i, _read(source / file)) for i, file in paired.by_image.items()]
    table = table_of(annotated, ClassNames(settings.positive, settings.negative, settings.classes))
    listed = _image_sets([source / file for file in files], {stem(image) for image in images})
    splits = {image: listed.get(stem(image)) or split_in(image) for image in images}
    split = pl.Series("split", [splits[image] for image in table["image"]], dtype=pl.String)
    imported = Imported(table.with_columns(split), root, tuple(notes))
    return with_unlisted(imported, splits, negative=settings.unlisted_are_negative)


def _read(file: Path) -> tuple[Marked, ...]:
    try:
        objects = ElementTree.parse(file).getroot().findall("object")
        return tuple(_marked(one) for one in objects)
    except (ElementTree.ParseError, LookupError, TypeError, ValueError) as error:
        raise GreenstickError(
            f"{file} is no Pascal VOC annotation ({error}).",
            remedy="Each object needs a name and a bndbox of four numbers.",
        ) from None


def _marked(one: ElementTree.Element) -> Marked:
    name = (one.findtext("name") or "").strip()
    box = one.find("bndbox")
    if not name or box is None:
        raise ValueError("an object lacks its name or its bndbox")
    left, top, right, bottom = (float(box.findtext(corner) or "missing") for corner in _CORNERS)
    return Marked(name, (left, top, right - left, bottom - top))


def _image_sets(files: Sequence[Path], images: Collection[str]) -> dict[str, str]:
    """Return the split by image name, from ``ImageSets/Main/train.txt`` and the like."""
    splits: dict[str, str] = {}
    for file in files:
        if file.parent.name != "Main" or file.stem not in SPLIT_NAMES:
            continue
        split = SPLIT_NAMES[file.stem]
        for line in filter(None, map(str.strip, read_text(file).splitlines())):
            # A line is a name, which may hold blanks, or a name and whether a class is there.
            name = stem(line) if stem(line) in images else stem(line.split()[0])
            if splits.setdefault(name, split) != split:
                raise GreenstickError(
                    f"{name} is listed as {splits[name]} and as {split} in {file.parent}.",
                    remedy="Keep it in one of these lists.",
                )
    return splits
