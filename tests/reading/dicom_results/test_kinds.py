import pytest

from greenstick.errors import GreenstickError
from greenstick.reading.dicom_results.kinds import parse_kinds


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("", ()),
        ("sr", ("sr",)),
        ("PR, sr,pr", ("sr", "pr")),
        ("all", ("sr", "sc", "pr")),
        ("sc,all", ("sr", "sc", "pr")),
    ],
)
def test_kinds_are_read_each_once_in_their_order(text: str, kinds: tuple[str, ...]) -> None:
    assert parse_kinds(text) == kinds


def test_another_word_is_named_with_the_choices() -> None:
    with pytest.raises(GreenstickError, match="'seg'") as caught:
        parse_kinds("sr,seg")
    assert "sr (report)" in caught.value.remedy
