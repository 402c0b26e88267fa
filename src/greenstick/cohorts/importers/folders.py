"""A folder a class: ``fractured/1.png``, ``train/normal/2.png``, ``p7/study_positive/3.png``."""

from pathlib import Path

import polars as pl

from greenstick.cohorts.importers.class_names import ClassNames
from greenstick.cohorts.importers.files import SPLIT_NAMES, images_in, split_in
from greenstick.cohorts.importers.imported import Imported
from greenstick.cohorts.importers.settings import ImportSettings
from greenstick.errors import GreenstickError


def import_folders(source: Path, settings: ImportSettings) -> Imported:
    """Import images whose folders are named after their class.

    The class of an image is that of the folder whose name means fracture or no fracture. A
    folder named train, valid or test gives the split. A name that says more than 'fractured'
    becomes the type of fracture; one further in, ``fractured/spiral``, does so too where
    ``settings.positive`` lists it.

    Raises
    ------
    GreenstickError
        Where there is no image, images lie in no class folder, a name is not known, or folders
        within each other mean a fracture and none.
    """
    images = images_in(source)
    names = ClassNames(settings.positive, settings.negative)
    # Folders are few and images many: each folder is understood once.
    folders = [image.rpartition("/")[0] for image in images]
    understood = {folder: _classes(folder, names) for folder in set(folders)}
    classes = [understood[folder] for folder in folders]
    loose = [image for image, found in zip(images, classes, strict=True) if not found]
    if loose:
        raise GreenstickError(
            f"{len(loose)} images lie in no class folder, first {loose[0]}.",
            remedy=f"Put them in folders such as {source}/fractured and {source}/normal, "
            "or import a CSV.",
        )
    labels = names.labels({found[0] for found in classes})
    types = {folder: _fracture_type(found, names) for folder, found in understood.items()}
    table = pl.DataFrame(
        {
            "image": images,
            "label": [labels[found[0]] for found in classes],
            "fracture_type": [types[folder] for folder in folders],
            "split": [split_in(image) for image in images],
        },
        schema_overrides={"fracture_type": pl.String, "split": pl.String},
    )
    return Imported(table, source)


def _classes(path: str, names: ClassNames) -> list[str]:
    """Return the folders that name a class, outermost first; else the outermost of all."""
    folders = [f for f in path.split("/") if f and f.casefold() not in SPLIT_NAMES]
    known = [folder for folder in folders if names.is_known(folder)]
    if len({names.label(folder) for folder in known}) > 1:
        raise GreenstickError(
            f"In {path}, one folder means a fracture and another none: {', '.join(known)}.",
            remedy="Import a folder further in, or rename the one that names no class.",
        )
    return known or folders[:1]


def _fracture_type(classes: list[str], names: ClassNames) -> str | None:
    if names.label(classes[0]) != 1:
        return None
    return next(filter(None, map(names.fracture_type, classes)), None)
