from html import unescape

import numpy as np
import polars as pl
import pytest

from greenstick.decision.operating_points import given_point
from greenstick.evidence.readers.study import judge_readers, write_reader_study
from greenstick.reports.any_page import write_any_page

READERS = {"anna": (0.8, 0.9), "ben": (0.7, 0.95), "cleo": (0.9, 0.8)}


def study_of(*, readers: int = 3, model: bool = True, modalities: int = 2):
    rng = np.random.default_rng(0)
    n = 90
    label = (rng.random(n) < 0.4).astype(int)
    base = {"image": [f"i{i}" for i in range(n)], "patient": [f"SECRET{i}" for i in range(n)]}
    rows = [
        pl.DataFrame(
            {**base, "label": label, "reader": [name] * n, "modality": [modality] * n,
             "score": (rng.random(n) < np.where(label, se, 1 - sp)).astype(float)}
        )
        for name, (se, sp) in list(READERS.items())[:readers]
        for modality in ("alone", "with AI")[:modalities]
    ]  # fmt: skip
    score = 1 / (1 + np.exp(-rng.normal(2 * label - 1, 1)))
    return judge_readers(
        pl.concat(rows),
        model=pl.DataFrame({**base, "label": label, "score": score}) if model else None,
        model_name="network",
        point=given_point(0.5) if model else None,
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readers")
    study = study_of()
    write_reader_study(study, folder / "readers.json")
    return study, write_any_page(folder).read_text(encoding="utf-8")


def test_each_reader_is_a_point_beside_the_models_curve(shown):
    study, html = shown
    for one in study.results:
        values = {e.name: e.value for e in one.estimates}
        said = (
            f"{one.reader}, {one.modality}: sensitivity {values['sensitivity']:.3f}, "
            f"specificity {values['specificity']:.3f}"
        )
        assert said in html
    assert "the ROC curve of network on the same images" in html
    assert "ring: its operating point" in html


def test_means_and_differences_are_those_of_the_study(shown):
    study, html = shown
    each = study.all_readers[0]
    mean = each.means[0]
    assert f"{mean.value:.3f}" in html
    assert f"{mean.lower:.3f} to {mean.upper:.3f}" in html
    gap = each.contrasts[0].difference
    assert f"{gap.lower:.3f} to {gap.upper:.3f}".replace("-", "−") in html
    kappa = study.agreement[0].estimates[0]
    assert f"{kappa.lower:.3f} to {kappa.upper:.3f}" in html
    assert "SECRET" not in html


def test_one_reader_without_a_model_gets_a_page_that_says_so(tmp_path):
    study = study_of(readers=1, model=False, modalities=1)
    write_reader_study(study, tmp_path / "readers.json")
    html = write_any_page(tmp_path).read_text(encoding="utf-8")
    assert "No model's scores were given." in unescape(html)
    assert "Agreement needs two readers" in html
