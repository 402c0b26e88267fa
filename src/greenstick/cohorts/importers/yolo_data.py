"""What goes with YOLO's labels: the names of classes, and which folders are which split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # its stubs are a package of their own

from greenstick.cohorts.importers.files import SPLIT_NAMES, images_in, read_text, split_in
from greenstick.errors import GreenstickError

_NAME_FILES = ("classes.txt", "obj.names", "labels/classes.txt")


@dataclass(frozen=True)
class YoloData:
    """The images of a YOLO data set.

    Attributes
    ----------
    root
        The folder that paths are relative to.
    images
        Every image there.
    splits
        From image to split (None: not told), for each that belongs to the data set.
    names
        From class number to name.
    """

    root: Path
    images: Sequence[str]
    splits: Mapping[str, str | None]
    names: Mapping[int, str]

    def class_name(self, number: int) -> str:
        """Return a class's name; 'class 3' where no names are known.

        Raises
        ------
        GreenstickError
            Where there are names, and none of this number.
        """
        if self.names and number not in self.names:
            raise GreenstickError(
                f"A label is of class {number}, which is not in the list of names.",
                remedy=f"The names are: {', '.join(f'{n} {s}' for n, s in self.names.items())}.",
            )
        return self.names.get(number, f"class {number}")


def read_yolo_data(source: Path, images: Path | None) -> YoloData:
    """Read a ``data.yaml``, or a folder with or without one.

    Raises
    ------
    GreenstickError
        Where the file cannot be read, or a folder that it names is not there.
    """
    file = source if source.is_file() else _data_yaml(source)
    folder = source.parent if source.is_file() else source
    content = _load(file) if file else {}
    names = _names(content.get("names")) if "names" in content else _names_beside(folder)
    root = images or _root(folder, content)
    found = images_in(root)
    listed = {} if images else _listed(root, content, found)
    return YoloData(root, found, listed or {image: split_in(image) for image in found}, names)


def _data_yaml(folder: Path) -> Path | None:
    files = [*folder.glob("*.yaml"), *folder.glob("*.yml")]
    if len(files) > 1:
        files = [file for file in files if file.stem == "data"] or files
    if len(files) > 1:
        raise GreenstickError(
            f"There are several YAML files in {folder}.", remedy="Import the one that is meant."
        )
    return files[0] if files else None


def _load(file: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(read_text(file))
    except yaml.YAMLError:
        content = None
    if not isinstance(content, dict):
        raise GreenstickError(
            f"{file} cannot be read as YAML.", remedy="It needs the keys names, train and val."
        )
    return content


def _names(names: Any) -> dict[int, str]:
    if isinstance(names, dict) and all(isinstance(number, int) for number in names):
        return {number: str(name) for number, name in names.items()}
    if isinstance(names, list | None):
        return dict(enumerate(map(str, names or [])))
    raise GreenstickError(
        "The data file's 'names' are neither a list nor numbered.",
        remedy="Write them as 'names: [fracture, metal]' or 'names: {0: fracture, 1: metal}'.",
    )


def _names_beside(folder: Path) -> dict[int, str]:
    for name in _NAME_FILES:
        if (folder / name).is_file():
            lines = read_text(folder / name).splitlines()
            # A class goes by its line, and a blank one names none.
            return {number: line.strip() for number, line in enumerate(lines) if line.strip()}
    return {}


def _root(folder: Path, content: Mapping[str, Any]) -> Path:
    """Return where the data lie: ``path`` is often that of somebody else's machine."""
    path = folder / str(content.get("path") or ".")
    return path if path.is_dir() else folder


def _listed(root: Path, content: Mapping[str, Any], images: Sequence[str]) -> dict[str, str | None]:
    splits: dict[str, str | None] = {}
    for key in ("train", "val", "valid", "test"):
        given = content.get(key) or []
        for entry in given if isinstance(given, list) else [given]:
            for image in _entry(root, str(entry), images):
                split = SPLIT_NAMES[key]
                if splits.setdefault(image, split) != split:
                    raise GreenstickError(
                        f"The data file lists {image} as {splits[image]} and as {split}.",
                        remedy="Give each split a folder or list of its own.",
                    )
    return splits


def _entry(root: Path, entry: str, images: Sequence[str]) -> list[str]:
    """Return the images of a folder, or of a text file that lists them."""
    parts = [part for part in entry.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    # '../train/images' and '/content/set/train/images' both mean 'train/images' here.
    for start in range(len(parts)):
        inside = "/".join(parts[start:])
        if (root / inside).is_dir():
            return [image for image in images if image.startswith(inside + "/")]
        if (root / inside).is_file():
            return _lines(read_text(root / inside).splitlines(), images)
    raise GreenstickError(
        f"The data file names {entry!r}, which is not in {root}.",
        remedy="Correct it, or import the folder with --format yolo after removing it.",
    )


def _lines(lines: Sequence[str], images: Sequence[str]) -> list[str]:
    endings = {line.strip().replace("\\", "/").removeprefix("./") for line in lines}
    known = set(images)
    direct = [line for line in endings if line in known]
    if direct:
        return sorted(direct)
    return [image for image in images if any(line.endswith("/" + image) for line in endings)]
