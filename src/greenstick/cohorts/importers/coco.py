"""COCO: one JSON file with images, categories and annotations (Lin et al., 2014)."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from greenstick.cohorts.importers.annotated import Annotated, Marked, table_of
from greenstick.cohorts.importers.class_names import ClassNames
from greenstick.cohorts.importers.files import files_in, read_text, split_in, with_located
from greenstick.cohorts.importers.imported import Imported
from greenstick.cohorts.importers.settings import ImportSettings
from greenstick.cohorts.importers.unlisted import splits_in, with_unlisted
from greenstick.cohorts.outlines import Box, Outline, outline_of
from greenstick.errors import GreenstickError


def import_coco(source: Path, settings: ImportSettings) -> Imported:
    """Import a COCO file, or a folder with ``train/_annotations.coco.json`` and the like.

    An image that the file lists without annotations has no fracture.

    Raises
    ------
    GreenstickError
        Where the file is no COCO JSON, an image is missing, or a class is not known.
    """
    names = ClassNames(settings.positive, settings.negative, settings.classes)
    root = settings.images or (source if source.is_dir() else source.parent)
    images = [image for file in coco_files(source) for image in _placed(file, source)]
    table, notes = with_located(table_of(images, names), root, skip_missing=settings.skip_missing)
    splits = pl.Series("split", [split_in(image) for image in table["image"]], dtype=pl.String)
    imported = Imported(table.with_columns(splits), root, tuple(notes))
    return with_unlisted(imported, splits_in(root), negative=settings.unlisted_are_negative)


def coco_files(source: Path) -> list[Path]:
    """Return the file itself, or every ``*_annotations.coco.json`` below a folder."""
    if source.is_file():
        return [source]
    return [source / name for name in files_in(source) if name.endswith("_annotations.coco.json")]


def _placed(file: Path, source: Path) -> list[Annotated]:
    """Read a file; below a folder its images lie beside it, and names may repeat elsewhere."""
    images = read_coco(file)
    if source.is_file() or file.parent == source:
        return images
    folder = file.parent.relative_to(source).as_posix()
    return [Annotated(f"{folder}/{image.image}", image.objects) for image in images]


def read_coco(path: Path) -> list[Annotated]:
    """Read a COCO file: one entry for each image it lists.

    An annotation's box is its ``bbox``; where that is lacking, the box around its polygons or its
    mask, which are kept; where those are lacking too, it counts for the class alone.

    Raises
    ------
    GreenstickError
        Where it is no COCO JSON, or an annotation has an unknown image or category.
    """
    content = _load(path)
    categories = {one["id"]: str(one["name"]) for one in content["categories"]}
    listed = {one["id"]: str(one["file_name"]) for one in content["images"]}
    objects: dict[Any, list[Marked]] = defaultdict(list)
    for number, annotation in enumerate(content["annotations"]):
        try:
            name = categories[annotation["category_id"]]
            outline = outline_of(annotation.get("segmentation"))
            marked = Marked(name, _box(annotation, outline), outline)
            objects[annotation["image_id"]].append(marked)
        except (AttributeError, KeyError, TypeError, ValueError, IndexError):
            raise GreenstickError(
                f"Annotation {number} (counted from 0) of {path} has no known category, or a "
                "faulty box or outline.",
                remedy="Its category_id must be listed, its bbox be four numbers, its segmentation "
                "polygons (x, y, x, y, ...) or a mask.",
            ) from None
    strangers = objects.keys() - listed.keys()
    if strangers:
        raise GreenstickError(
            f"Images with annotations in {path} that it does not list: {len(strangers)}.",
            remedy="Add them to its 'images', or remove the annotations.",
        )
    return [Annotated(name, tuple(objects[key])) for key, name in listed.items()]


def _load(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(read_text(path))
    except (ValueError, OSError) as error:
        raise GreenstickError(
            f"{path} cannot be read as JSON ({error}).", remedy="Give a COCO file."
        ) from None
    keys = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in keys):
        has = f"has {', '.join(content)}" if isinstance(content, dict) else "is a list"
        raise GreenstickError(
            f"{path} is no COCO file: it {has}.", remedy=f"It needs the lists {', '.join(keys)}."
        )
    for kind, name in (("images", "file_name"), ("categories", "name")):
        _check_listed(content[kind], kind, name, path)
    files = Counter(image["file_name"] for image in content["images"])
    if len(files) < files.total():
        first = next(file for file, times in files.items() if times > 1)
        raise GreenstickError(
            f"{path} lists {files.total() - len(files)} images twice, first {first}.",
            remedy="Merge their entries.",
        )
    return content


def _check_listed(entries: Sequence[Any], kind: str, name: str, path: Path) -> None:
    """Refuse entries without an id or a name, and ids of several entries."""
    try:
        ids = {one["id"] for one in entries}
        named = all(isinstance(one[name], str) for one in entries)
    except (KeyError, TypeError):
        named = False
    if not named:
        raise GreenstickError(
            f"Of the {kind} in {path}, one has no id or no {name}.", remedy="Each needs both."
        )
    if len(ids) < len(entries):
        raise GreenstickError(
            f"Of the {kind} in {path}, {len(entries) - len(ids)} have the id of another.",
            remedy="Give each an id of its own.",
        )


def _box(annotation: Mapping[str, Any], outline: Outline | None) -> Box | None:
    bbox = annotation.get("bbox")
    if bbox:
        x, y, width, height = map(float, bbox)
        return (x, y, width, height)
    return None if outline is None else outline.box
