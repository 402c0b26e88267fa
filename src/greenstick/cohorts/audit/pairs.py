"""Find copies among looks: files of the same bytes, and files that show the same picture."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from greenstick.cohorts.audit.files import BLANK
from greenstick.cohorts.audit.looks import Look
from greenstick.cohorts.audit.seen import Pair
from greenstick.cohorts.hashes import POSE_NAMES, frequencies, near_pairs, turn
from greenstick.cohorts.likeness import compare


def find_pairs(looks: Sequence[Look]) -> list[Pair]:
    """Return all pairs of copies, byte for byte first."""
    return byte_pairs(looks) + picture_pairs(looks)


def byte_pairs(looks: Sequence[Look]) -> list[Pair]:
    """Pair each file with the first one of the same bytes."""
    return [
        Pair(rows[0], other, "the same bytes", exact=True)
        for rows in _by_digest(looks).values()
        for other in rows[1:]
    ]


def _by_digest(looks: Sequence[Look]) -> dict[bytes, list[int]]:
    same: defaultdict[bytes, list[int]] = defaultdict(list)
    for row, look in enumerate(looks):
        if look.digest is not None:
            same[look.digest].append(row)
    return same


def picture_pairs(looks: Sequence[Look]) -> list[Pair]:
    """Pair files that show the same picture, mirrored and turned by 90 degrees too.

    Of files with the same bytes only the first takes part.
    """
    firsts = sorted(rows[0] for rows in _by_digest(looks).values())
    rows, thumbnails = [], []
    for row in firsts:
        thumbnail = looks[row].thumbnail
        if thumbnail is not None and looks[row].contrast >= BLANK:
            rows.append(row)
            thumbnails.append(thumbnail)
    if len(rows) < 2:
        return []
    pictures = np.stack(thumbnails)
    near = near_pairs(frequencies(pictures))
    pairs: list[Pair] = []
    for start in range(0, len(near.first), 1024):  # so that memory stays small
        part = slice(start, start + 1024)
        first, second, pose = near.first[part], near.second[part], near.pose[part]
        turned = np.stack([turn(pictures[i], p) for i, p in zip(first, pose, strict=True)])
        copies = compare(turned, pictures[second]).copies(near.distance[part])
        pairs += [
            Pair(rows[i], rows[j], _how(p), exact=False)
            for i, j, p in zip(first[copies], second[copies], pose[copies], strict=True)
        ]
    return pairs


def _how(pose: int) -> str:
    return ", ".join(filter(None, ("the same picture", POSE_NAMES[pose])))


def groups(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return the connected groups of rows, each sorted, in order of their first row."""
    root: dict[int, int] = {}

    def find(row: int) -> int:
        while root.setdefault(row, row) != row:
            root[row] = root[root[row]]
            row = root[row]
        return row

    for one, other in pairs:
        first, second = sorted((find(one), find(other)))
        root[second] = first
    members: defaultdict[int, list[int]] = defaultdict(list)
    for row in sorted(root):
        members[find(row)].append(row)
    return list(members.values())
