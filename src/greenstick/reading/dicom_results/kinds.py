"""The kinds of DICOM results, as a user names them."""

from typing import Literal, get_args

from greenstick.errors import GreenstickError

Kind = Literal["sr", "sc", "pr"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def parse_kinds(text: str) -> tuple[Kind, ...]:
    """Read ``"sr,pr"``, ``"all"`` or ``""``; each kind once, in the standing order.

    Raises
    ------
    GreenstickError
        Where there is another word.
    """
    words = {word.strip().lower() for word in text.split(",") if word.strip()}
    strange = sorted(words - {*KINDS, "all"})
    if strange:
        raise GreenstickError(
            f"There is no DICOM result of the kind {strange[0]!r}.",
            remedy="Give sr (report), sc (overlay), pr (marks), several with commas, or all.",
        )
    return KINDS if "all" in words else tuple(kind for kind in KINDS if kind in words)
