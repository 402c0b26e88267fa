from pathlib import Path

import numpy as np
import polars as pl
import pytest

from greenstick.errors import GreenstickError
from greenstick.evidence.comparisons import compare_all, contenders_of, write_comparisons
from greenstick.reports.any_page import write_any_page


def models(names: tuple[str, ...], n: int = 120) -> dict[str, pl.DataFrame]:
    rng = np.random.default_rng(0)
    label = (rng.random(n) < 0.4).astype(int)
    rows = {"image": [f"i{i}" for i in range(n)], "patient": [f"SECRET{i}" for i in range(n)]}
    return {
        name: pl.DataFrame(
            {**rows, "label": label, "score": 1 / (1 + np.exp(-rng.normal(k * label, 1)))}
        )
        for k, name in enumerate(names, start=1)
    }


def page_of(folder: Path, names: tuple[str, ...], margin: float | None = None):
    found = compare_all(contenders_of(models(names), [0.5]), margin=margin, replicates=50)
    write_comparisons(found, folder / "comparison.json")
    return found, write_any_page(folder).read_text(encoding="utf-8")


def minus(value: float, signed: bool = False) -> str:
    return f"{value:{'+' if signed else ''}.3f}".replace("-", "−")


def test_every_pair_has_its_figures_and_corrected_p(tmp_path):
    found, html = page_of(tmp_path, ("a", "b", "c"), margin=0.05)
    for pair in found.pairs:
        d = pair.difference("AUROC")
        assert minus(d.difference, signed=True) in html
        assert f"{minus(d.lower)} to {minus(d.upper)}" in html
        assert ("&lt; 0.001" if d.p_holm < 0.001 else f">{d.p_holm:.3f}<") in html
    assert "Corrected p: Holm (1979)" in html
    assert "not inferior" in html
    assert "Margin 0.05" in html
    assert html.count('role="img" aria-label="Difference of') == len(found.pairs[0].differences)
    assert "SECRET" not in html
    assert "Research use only" in html


def test_each_model_stands_beside_the_others(tmp_path):
    found, html = page_of(tmp_path, ("a", "b", "c"))
    assert "ROC curves of a, b, c." in html
    assert "Decision curves of a, b, c." in html
    for one in found.each:
        area, sensitivity = (
            next(e for e in one.estimates if e.name == name) for name in ("AUROC", "sensitivity")
        )
        assert f"{one.name}: {area.value:.3f} ({area.lower:.3f} to {area.upper:.3f})" in html
        assert f"{one.name}: {sensitivity.value:.3f}" in html
    older = found.model_copy(update={"each": []})
    write_comparisons(older, tmp_path / "comparison.json")
    assert "ROC curves" not in write_any_page(tmp_path).read_text(encoding="utf-8")


def test_one_pair_needs_no_correction(tmp_path):
    _, html = page_of(tmp_path, ("a", "b"))
    assert "Corrected p" not in html
    assert "a against b" in html
    assert "Margin" not in html
    assert "left of the dotted line the second model is the better one" in html


def test_a_leaked_threshold_is_told_in_red_above_the_numbers(tmp_path):
    from greenstick.decision.operating_points import choose_operating_point
    from greenstick.evidence.comparisons import Contender

    tables = models(("a", "b"))
    table = tables["a"]
    leaked = choose_operating_point(table["label"], table["score"], chosen_on="test")
    pair = [Contender("a", table, leaked), Contender("b", tables["b"], leaked)]
    write_comparisons(compare_all(pair, replicates=20), tmp_path / "comparison.json")
    html = write_any_page(tmp_path).read_text(encoding="utf-8")
    assert html.index('class="grave"') < html.index('id="differences"')
    assert "threshold-chosen-on-evaluated-rows" in html


def test_a_damaged_comparison_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(GreenstickError, match=r"holds no evidence\.json"):
        write_any_page(tmp_path)
    (tmp_path / "comparison.json").write_text("{}")
    with pytest.raises(GreenstickError, match="is no comparison"):
        write_any_page(tmp_path)
