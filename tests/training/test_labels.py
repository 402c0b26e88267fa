import polars as pl
import pytest

from greenstick.errors import GreenstickError
from greenstick.models.settings import ClassifierSettings
from greenstick.training.labels import class_labels, hot_labels

TABLE = pl.DataFrame(
    {
        "label": [1, 0, 1, 1],
        "fracture_type": ["spiral", None, "oblique", "oblique + spiral"],
        "metal": [True, False, False, True],
        "age": [3, 70, 20, 5],
    },
    schema_overrides={"label": pl.Int8},
)


def settings(*classes: str, outputs: str = "one-of") -> ClassifierSettings:
    return ClassifierSettings(classes=classes, outputs=outputs)


def test_one_class_is_the_label():
    assert class_labels(TABLE, settings("fracture")).tolist() == [1, 0, 1, 1]
    with pytest.raises(GreenstickError, match="1 images to train on have no label"):
        class_labels(TABLE.with_columns(label=pl.Series([1, 0, None, 1])), settings("fracture"))


def test_of_several_classes_each_row_is_of_one():
    classes = settings("no fracture", "spiral", "oblique")
    assert class_labels(TABLE[:3], classes).tolist() == [1, 0, 2]
    with pytest.raises(GreenstickError, match=r"0 images are of none .* 1 of several"):
        class_labels(TABLE, classes)
    with pytest.raises(GreenstickError, match=r"1 images are of none .* types: \(none\)"):
        class_labels(TABLE[:3], settings("spiral", "oblique"))


def test_any_of_several_classes_may_hold():
    labels = class_labels(TABLE, settings("fracture", "oblique", "metal", outputs="any-of"))
    assert labels.tolist() == [[1, 0, 1], [0, 0, 0], [1, 1, 0], [1, 1, 1]]


def test_what_is_not_known_is_told():
    untyped = TABLE.with_columns(fracture_type=pl.lit(None, dtype=pl.String))
    with pytest.raises(GreenstickError, match="3 images with a fracture have no fracture type"):
        hot_labels(untyped, ("no fracture", "spiral"))
    with pytest.raises(GreenstickError, match="'age' is a column with values other than 0 and 1"):
        hot_labels(TABLE, ("age",))
