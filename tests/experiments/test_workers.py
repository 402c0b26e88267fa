"""Who does jobs: how many at a time, and what is settled before."""

from pathlib import Path
from typing import Any

import pytest

from greenstick.errors import GreenstickError
from greenstick.experiments import precision
from greenstick.experiments.effort import Effort
from greenstick.experiments.environment import Hardware
from greenstick.experiments.precision import settle_precision
from greenstick.experiments.processes import cores, places_for
from greenstick.experiments.run_folder import RunFolder
from greenstick.training.precision import Precision


@pytest.mark.parametrize(
    ("jobs", "wanted", "hardware", "places"),
    [
        (10, 4, Hardware("cpu"), 4),
        (3, 8, Hardware("cpu"), 3),
        (10, 4, Hardware("cpu", devices="2"), 1),
        (10, 4, Hardware("cpu", nodes=2), 1),
        (10, 0, Hardware("cpu"), max(1, min(10, cores() // 2))),
        (0, 4, Hardware("cpu"), 1),
    ],
)
def test_places(jobs: int, wanted: int, hardware: Hardware, places: int) -> None:
    assert places_for(jobs, wanted, hardware) == places


def test_precision_is_tried_once_for_all_fits_of_a_backbone(
    spots: Path, tmp_path: Path, experiment_on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def choose(recipe: Any, model: Any, device: Any) -> Precision:
        tried.append(model.settings.backbone)
        return Precision("bf16", {})

    monkeypatch.setattr(precision, "choose_precision", choose)
    run = RunFolder(tmp_path)
    search = {"method": "grid", "space": {"recipe.lr": [1e-3, 1e-4]}}
    auto = experiment_on(spots, recipe={"precision": "auto"}, search=search)
    for _ in range(2):  # the second time it is a run that goes on
        settled = settle_precision(run, auto, "cpu")
        assert settled["test_resnet"].recipe.precision == "bf16"
        assert settled["test_resnet"].search == auto.search  # which comes after
    assert tried == ["test_resnet"]
    assert (
        settle_precision(run, experiment_on(spots), "cpu")["test_resnet"].recipe.precision == "32"
    )


def test_a_network_that_states_its_precision_has_it(
    spots: Path, tmp_path: Path, experiment_on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "choose_precision", lambda *_: Precision("bf16", {}))
    variants = {"exact": {"recipe.precision": "32"}}
    auto = experiment_on(spots, recipe={"precision": "auto"}, variants=variants)
    settled = settle_precision(RunFolder(tmp_path), auto, "cpu")
    assert settled["test_resnet"].recipe.precision == "bf16"
    assert settled["exact"].recipe.precision == "32"


def test_a_search_over_several_devices_is_refused(
    spots: Path, tmp_path: Path, experiment_on: Any, run: Any
) -> None:
    search = {"method": "grid", "space": {"recipe.lr": [1e-3, 1e-4]}}
    effort = Effort(hardware=Hardware("cpu", devices="2"))
    with pytest.raises(GreenstickError, match="one device"):
        run(experiment_on(spots, search=search), tmp_path / "run", effort)


def test_ray_that_is_not_there_is_told(
    spots: Path, tmp_path: Path, experiment_on: Any, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(GreenstickError, match="Ray is not installed"):
        run(experiment_on(spots), tmp_path / "run", Effort(ray="local"))
