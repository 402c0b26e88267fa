"""What cannot come to an end is refused before anything is trained."""

from pathlib import Path
from typing import Any

import pytest

from greenstick.errors import GreenstickError
from greenstick.experiments.beforehand import check_networks
from greenstick.findings import Severity
from greenstick.models import classifier


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"evidence": {"subgroups": ["bone"]}}, "'bone' of evidence.subgroups: it is unknown"),
        ({"evidence": {"subgroups": ["score"]}}, "the run's own scores"),
        ({"split": {"fractions": [0.7, 0.3, 0.0]}}, "no test images"),
        ({"split": {"fractions": [0.7, 0.0, 0.3]}}, "no valid images"),
        ({"model": {"backbone": "test_resnetty"}}, "no backbone 'test_resnetty'"),
        ({"model": {"weights": "gone.pth"}}, "no weights file"),
        ({"recipe": {"crop_px": 96}}, "do not fit a canvas"),
        ({"variants": {"two": {"recipe.loss": "cross-entropy"}}}, "needs two classes"),
        ({"model": {"classes": ["no fracture", "spiral"]}}, "have no fracture type"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_anything_is_trained(
    spots: Path, tmp_path: Path, experiment_on: Any, run: Any, settings: Any, said: str
) -> None:
    with pytest.raises(GreenstickError, match=said):
        run(experiment_on(spots, **settings), tmp_path / "run")


def test_a_network_that_must_begin_from_scratch_is_told_of(
    spots: Path, experiment_on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_hub(*_: Any) -> None:
        raise GreenstickError("no network", remedy="")

    monkeypatch.delenv("GREENSTICK_WEIGHTS", raising=False)
    monkeypatch.setattr(classifier, "fetch_from_hub", no_hub)
    assert check_networks(experiment_on(spots)) == []  # that is what "none" asks for
    (found,) = check_networks(experiment_on(spots, model={"weights": "auto"}))
    assert (found.code, found.severity) == ("no-pretrained-weights", Severity.WARNING)
    assert "test_resnet" in found.message
