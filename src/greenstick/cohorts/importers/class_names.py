"""Which class names mean a fracture, and which mean none."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from greenstick.errors import GreenstickError

#: Understood without being told, in any case and with ' ', '_' or '-' between words.
POSITIVE = frozenset(
    ["1", "true", "yes", "y", "positive", "pos", "abnormal", "broken"]
) | frozenset(["fracture", "fractured", "fractures", "bone fracture"])
NEGATIVE = frozenset(["0", "false", "no", "n", "negative", "neg", "normal", "healthy"]) | frozenset(
    ["not fractured", "non fractured", "nonfractured", "unfractured", "no fracture", "not broken"]
)


@dataclass(frozen=True)
class ClassNames:
    """A map from a data set's class names to labels.

    A name listed by the user counts before one that the user's pattern (``"*_positive"``) fits,
    that before the words understood by everybody (:data:`POSITIVE`, :data:`NEGATIVE`), and all of
    them before ``"*"``, which stands for all others.
    """

    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    def name(self, given: str) -> str:
        """Return what a class is called from here on."""
        return self.renamed.get(given, given)

    def check_renamed(self, given: Iterable[str]) -> None:
        """Refuse new names for classes that are not there.

        Raises
        ------
        GreenstickError
            Listing the classes found.
        """
        found = set(given)
        absent = sorted(set(self.renamed) - found)
        if absent:
            raise GreenstickError(
                f"There is no class {absent[0]!r} to rename (found: {_listed(sorted(found))}).",
                remedy="Correct --class OLD=NEW.",
            )

    def label(self, name: str) -> int | None:
        """Return 1 for a fracture, 0 for none, None for a name that is not known.

        Raises
        ------
        GreenstickError
            Where the user's lists give a name both meanings.
        """
        others = ("*" in self.positive, "*" in self.negative)
        for positive, negative in (*self._tiers(_plain(name)), others):
            if positive and negative:
                raise GreenstickError(
                    f"Class {name!r} is listed as fracture and as no fracture.",
                    remedy="Take it out of --positive or out of --negative.",
                )
            if positive or negative:
                return int(positive)
        return None

    def is_known(self, name: str) -> bool:
        """Tell whether a name has a meaning of its own, not that of all others."""
        return any(map(any, self._tiers(_plain(name))))

    def _tiers(self, plain: str) -> Iterable[tuple[bool, bool]]:
        yield plain in map(_plain, self.positive), plain in map(_plain, self.negative)
        yield _fits(plain, self.positive), _fits(plain, self.negative)
        yield plain in POSITIVE, plain in NEGATIVE

    def fracture_type(self, name: str) -> str | None:
        """Return the name where it says which fracture; 'fractured' says only that there is one."""
        return name if self.label(name) == 1 and _plain(name) not in POSITIVE else None

    def labels(self, names: Iterable[str]) -> dict[str, int]:
        """Return the label of each name.

        Raises
        ------
        GreenstickError
            Where some are not known: lists all names found.
        """
        found = sorted(set(names))
        labels = {name: self.label(name) for name in found}
        unknown = [name for name, label in labels.items() if label is None]
        if unknown:
            raise GreenstickError(
                f"Not clear which of these classes mean a fracture: {_listed(unknown)} "
                f"(found: {_listed(found)}).",
                remedy=f"Say so: --positive {unknown[0]!r} or --negative {unknown[0]!r}, "
                "once for each; * stands for any letters.",
            )
        return {name: label for name, label in labels.items() if label is not None}


def _plain(name: str) -> str:
    """Return a name without what spellings differ in: case, ' ', '_', '-', and '1.0' for 1."""
    plain = re.sub(r"[\s_\-]+", " ", name.casefold()).strip()
    return re.sub(r"^(\d+)\.0*$", r"\1", plain)


def _fits(plain: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(plain, _plain(pattern)) for pattern in patterns if pattern != "*")


def _listed(names: list[str], most: int = 20) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
