"""Pair images with files of annotations by their names, wherever the two folders lie."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from greenstick.cohorts.importers.files import stem
from greenstick.errors import GreenstickError

#: Folders that say what a file is, not which image it belongs to.
_KINDS = frozenset(("images", "jpegimages", "labels", "annotations", "xml", "xmls"))


@dataclass(frozen=True)
class Paired:
    """Which annotation belongs to which image.

    Attributes
    ----------
    by_image
        From image to annotation, in the images' order.
    orphans
        Annotations without an image.
    """

    by_image: dict[str, str]
    orphans: list[str]


def pair(images: Sequence[str], annotations: Sequence[str]) -> Paired:
    """Pair files of one name in folders that answer to each other.

    ``train/labels/1.txt`` belongs to ``train/images/1.png``, not to ``test/images/1.png``. Where
    the folders do not answer to each other, a name that only one image has decides.

    Raises
    ------
    GreenstickError
        Where an annotation may belong to several images.
    """
    by_place, by_name = _grouped(images, _place), _grouped(images, _name)
    names = _grouped(annotations, _name)
    found: dict[str, str] = {}
    orphans = []
    for annotation in annotations:
        fitting = by_place.get(_place(annotation), [])
        if not fitting and len(names[_name(annotation)]) == 1:
            fitting = by_name.get(_name(annotation), [])
        if len(fitting) > 1:
            raise GreenstickError(
                f"{annotation} may belong to {fitting[0]} or to {fitting[1]}.",
                remedy="Put images and annotations into folders of the same names.",
            )
        if not fitting:
            orphans.append(annotation)
        elif found.setdefault(fitting[0], annotation) != annotation:
            raise GreenstickError(
                f"{fitting[0]} has two annotations, {found[fitting[0]]} and {annotation}.",
                remedy="Keep one of them.",
            )
    return Paired({image: found[image] for image in images if image in found}, orphans)


def _grouped(files: Sequence[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for file in files:
        groups[key(file)].append(file)
    return groups


def _name(file: str) -> str:
    return _without_suffix(file.rpartition("/")[2])


def _place(file: str) -> str:
    *folders, name = file.split("/")
    kept = [folder for folder in folders if folder.casefold() not in _KINDS]
    return "/".join([*kept, _without_suffix(name)])


def _without_suffix(name: str) -> str:
    return name[:-4] if name.endswith((".txt", ".xml")) else stem(name)
