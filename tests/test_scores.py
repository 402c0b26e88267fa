from pathlib import Path

import numpy as np
import polars as pl
import pytest

from greenstick.errors import GreenstickError
from greenstick.findings import Severity
from greenstick.scores import (
    binary_labels,
    check_scores,
    patients_of,
    place_images,
    pool_by_patient,
    read_scores,
    tidy_scores,
    write_scores,
)


def written(folder: Path, text: str, name: str = "scores.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "deep/er/a.parquet"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str) -> None:
    table = pl.DataFrame(
        {"image": ["a", "b"], "patient": ["007", None], "label": [1, 0], "score": [0.5, 1.0]}
    )
    write_scores(table, tmp_path / name)
    assert read_scores(tmp_path / name).to_dicts() == table.to_dicts()
    assert list((tmp_path / name).parent.glob("*.part")) == []


def test_a_vendors_file_with_other_names_is_read(tmp_path: Path) -> None:
    path = written(
        tmp_path, "Accession;Finding;Confidence\n007;Fracture;0,93\n7;Normal;0,10\n8;Normal;NA\n"
    )
    columns = {"patient": "Accession", "label": "Finding", "score": "Confidence"}
    table = read_scores(path, columns=columns, positive=["Fracture"])
    assert table["patient"].to_list() == ["007", "7", "8"]
    assert table["label"].to_list() == [1, 0, 0]
    assert table["score"].to_list() == [0.93, 0.10, None]


def test_tabs_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeffpatient\tlabel\tscore\n01\t1\t0.5\n")
    table = read_scores(path)
    assert table["patient"].to_list() == ["01"]
    assert table["score"].to_list() == [0.5]


def test_a_renamed_column_does_not_lose_the_one_in_its_place() -> None:
    table = pl.DataFrame({"label": [0], "score": [7], "p": [0.2]})
    tidy = tidy_scores(table, columns={"score": "p"})
    assert tidy["score"].to_list() == [0.2]
    assert tidy["score_before"].to_list() == [7]


def test_two_columns_can_change_places() -> None:
    table = pl.DataFrame({"label": [0.1], "score": [1]})
    tidy = tidy_scores(table, columns={"score": "label", "label": "score"})
    assert (tidy["label"][0], tidy["score"][0]) == (1, 0.1)


@pytest.mark.parametrize(
    "given",
    [
        [0, 1, None],
        [0.0, 1.0, None],
        [0.0, 1.0, float("nan")],
        [False, True, None],
        ["0", "1", None],
    ],
)
def test_every_way_to_write_0_and_1_is_a_label(given: list[object]) -> None:
    labels = binary_labels(pl.Series(given))
    assert labels.dtype == pl.Int8
    assert labels.to_list() == [0, 1, None]


@pytest.mark.parametrize(
    ("given", "positive", "negative"),
    [
        ([0, 2], [], []),
        ([0.5, 1], [], []),
        (["yes", "no"], [], []),
        (["yes", "no"], [], ["no"]),
        (["yes", "no", "maybe"], ["yes"], ["no"]),
        (["yes", "no"], ["fracture"], []),
    ],
)
def test_other_labels_are_refused(
    given: list[object], positive: list[str], negative: list[str]
) -> None:
    with pytest.raises(GreenstickError, match=r"abel"):
        binary_labels(pl.Series(given), positive, negative)


def test_words_are_labels_where_they_are_named() -> None:
    words = pl.Series(["yes ", "no", None])
    assert binary_labels(words, ["yes"]).to_list() == [1, 0, None]
    assert binary_labels(words, ["yes"], ["no"]).to_list() == [1, 0, None]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("label,p\n1,0.5\n", "no column 'score'"),
        ("label,score\n1,high\n", "no numbers"),
        ("label,score\nmaybe,0.5\n", "maybe"),
        ("", "is empty"),
        ("label,score\n1,0,91\n0,0,2\n", "decimal commas need semicolons"),
        ("label,score,score\n1,0.9,0.3\n", "Two columns are called 'score'"),
        ("Label,Score\n1,0.9\n", "Perhaps 'label' is 'Label' and 'score' is 'Score'"),
        ("PK\x03\x04\x00", "neither as Parquet nor as CSV"),
    ],
)
def test_a_bad_file_gets_a_clear_answer(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(GreenstickError, match=says):
        read_scores(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("patient\tlabel\tscore\nBär\t1\t0.91\nBür\t0\t0.2\n", "utf-16"),
        ("patient,label,score\nBär,1,0.91\nBür,0,0.2\n", "latin-1"),
        ("\n\npatient;label;score\nBär;1;0,91\nBür;0;0,2\n", "utf-8"),
        ("patient;label;score\nBär;1;91,0 %\nBür;0;20%\n", "utf-8-sig"),
    ],
)
def test_what_spreadsheets_write_is_read(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "scores.csv"
    path.write_bytes(text.encode(encoding))
    table = read_scores(path)
    assert table.rows() == [("Bär", 1, 0.91), ("Bür", 0, 0.2)]


def test_the_columns_that_may_be_meant_are_suggested(tmp_path: Path) -> None:
    with pytest.raises(GreenstickError, match="Perhaps 'label' is 'target' and 'score' is 'Pred'"):
        read_scores(written(tmp_path, "file,target,Pred\na.png,1,0.5\n"))


def test_a_missing_or_broken_file_gets_a_clear_answer(tmp_path: Path) -> None:
    with pytest.raises(GreenstickError, match="no scores"):
        read_scores(tmp_path / "none.csv")
    with pytest.raises(GreenstickError, match="Parquet"):
        read_scores(written(tmp_path, "no parquet", "x.parquet"))


def test_an_image_without_a_patient_is_one_of_its_own() -> None:
    table = pl.DataFrame({"image": ["a", "b", "a"], "patient": ["x", None, None]})
    assert patients_of(table).to_list() == ["x", "image:b", "image:a"]
    assert patients_of(table.drop("patient")).n_unique() == 2
    nameless = pl.DataFrame({"image": ["a", None, None]})
    assert patients_of(nameless).n_unique() == 3
    assert patients_of(pl.DataFrame({"score": [1, 2]})).n_unique() == 2


def severities(table: pl.DataFrame) -> dict[str, Severity]:
    return {finding.code: finding.severity for finding in check_scores(table)}


def test_a_good_table_passes_every_check() -> None:
    table = pl.DataFrame({"image": ["a"], "patient": ["p"], "label": [1], "score": [0.5]})
    assert set(severities(table).values()) == {Severity.PASSED}


def test_faults_are_found_with_their_rows() -> None:
    table = pl.DataFrame(
        {
            "image": ["a", "a", "b", "c"],
            "label": [1, 1, None, 0],
            "score": [0.1, 0.1, 0.5, float("nan")],
        }
    )
    found = {finding.code: finding for finding in check_scores(table)}
    assert found["missing-labels"].rows == (2,)
    assert found["missing-scores"].rows == (3,)
    assert found["duplicate-rows"].rows == (0, 1)
    assert found["patients-unknown"].severity is Severity.NOTE


def test_an_image_may_be_listed_once_a_repeat() -> None:
    table = pl.DataFrame({"image": ["a", "a"], "repeat": [0, 1], "label": [1, 1], "score": [1, 0]})
    assert severities(table)["duplicate-rows"] is Severity.PASSED
    assert severities(table.drop("image"))["duplicate-rows"] is Severity.NOT_APPLICABLE


@pytest.mark.parametrize(("how", "score"), [("max", 0.5), ("mean", 0.35), ("noisy-or", 0.6)])
def test_scores_are_pooled_by_patient(how: str, score: float) -> None:
    table = pl.DataFrame(
        {
            "image": ["a", "b", "c"],
            "patient": ["p", "p", None],
            "label": [0, 1, 0],
            "score": [0.2, 0.5, 0.9],
            "decision": [False, True, True],
            "site": ["north", "north", "south"],
            "view": ["ap", "lateral", "ap"],
        }
    )
    pooled = pool_by_patient(table, how)  # type: ignore[arg-type]
    assert pooled["label"].to_list() == [1, 0]
    np.testing.assert_allclose(pooled["score"], [score, 0.9])
    assert pooled["site"].to_list() == ["north", "south"]
    assert pooled["view"].to_list() == [None, "ap"]
    assert pooled["n_images"].to_list() == [2, 1]
    assert ("decision" in pooled.columns) == (how == "max")


@pytest.mark.parametrize("how", ["max", "mean", "noisy-or"])
@pytest.mark.parametrize("unread", [None, float("nan")])
def test_an_unread_image_leaves_its_patient_without_a_score(how: str, unread: float | None) -> None:
    table = pl.DataFrame({"patient": ["p", "p"], "label": [0, 1], "score": [0.2, unread]})
    assert pool_by_patient(table, how)["score"].to_list() == [None]  # type: ignore[arg-type]


def test_an_unlabeled_image_leaves_its_patient_unlabeled_unless_another_is_fractured() -> None:
    table = pl.DataFrame(
        {
            "patient": ["p", "p", "q", "q"],
            "label": [0, None, 1, None],
            "score": [0.1, 0.2, 0.3, 0.4],
        }
    )
    assert pool_by_patient(table)["label"].to_list() == [None, 1]


def test_noisy_or_needs_probabilities() -> None:
    table = pl.DataFrame({"patient": ["p"], "label": [1], "score": [3.0]})
    with pytest.raises(GreenstickError, match="probabilities"):
        pool_by_patient(table, "noisy-or")


def test_a_copy_is_not_pooled_twice() -> None:
    table = pl.DataFrame({"image": ["a", "a"], "patient": ["p", "p"], "label": 1, "score": 0.5})
    with pytest.raises(GreenstickError, match="another row lists too"):
        pool_by_patient(table, "noisy-or")


def test_tables_of_runs_of_any_depth_name_their_images_alike(tmp_path: Path) -> None:
    folders = [tmp_path / "runs" / "a", tmp_path / "more" / "runs" / "b"]
    for folder in folders:
        folder.mkdir(parents=True)
    for name in ("1.png", "2.png"):
        (tmp_path / name).touch()
    tables = [
        pl.DataFrame({"image": ["../../1.png", "../../2.png"]}),
        pl.DataFrame({"image": ["../../../2.png", "../../../1.png"]}),
    ]
    one, two = place_images(tables, folders)
    assert one["image"].to_list() == two["image"].to_list()[::-1]
    assert place_images(tables, [folders[0]] * 2) == tables
    plain = [pl.DataFrame({"image": ["1", "2"]}), pl.DataFrame({"image": [7, None]})]
    for kept, given in zip(place_images(plain, folders), plain, strict=True):
        assert kept.equals(given)
