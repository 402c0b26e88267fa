import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest

from greenstick.evidence.estimates import Curve, Estimate, ReliabilityBin
from greenstick.reports import figures, ink

AREA = Estimate(
    name="AUROC",
    value=0.9127,
    lower=0.88,
    upper=0.94,
    level=0.95,
    method="x",
    n_images=9,
    n_patients=9,
)
POINT = figures.MarkedPoint("threshold 0.300", 0.2, 0.8, (0.1, 0.3), (0.7, 0.9))
X = np.linspace(0, 1, 11)
CURVE = Curve(
    x=X.tolist(),
    y=np.sqrt(X).tolist(),
    lower=(np.sqrt(X) * 0.9).tolist(),
    upper=np.minimum(1, np.sqrt(X) * 1.1).tolist(),
)


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg.replace("xlink:href", "href"))


def words(svg: str) -> list[str]:
    return [node.text or "" for node in parsed(svg).iter("text")]


def all_figures() -> dict[str, str]:
    rng = np.random.default_rng(0)
    labels = rng.random(80) < 0.4
    scores = np.clip(rng.normal(0.3 + 0.3 * labels, 0.2), 0, 1)
    bins = [
        ReliabilityBin(
            left=0.0, right=0.5, n=40, mean_score=0.3, observed=0.25, lower=0.2, upper=0.4
        ),
        ReliabilityBin(
            left=0.5, right=1.0, n=0, mean_score=None, observed=None, lower=None, upper=None
        ),
    ]
    history = pl.DataFrame(
        {"epoch": [1, 2, 3], "train_loss": [0.6, 0.5, 0.4], "valid_loss": [0.6, 0.55, 0.5],
         "valid_auroc": [0.7, 0.9, None]}
    )  # fmt: skip
    drawn = {
        "roc": figures.roc(CURVE, AREA, POINT),
        "pr": figures.precision_recall(CURVE, AREA, POINT, prevalence=0.3),
        "reliability": figures.reliability(bins, scores, labels),
        "scores": figures.score_histogram(scores, labels, scores >= 0.5, [0.5]),
        "loss": figures.training(history, quantity="loss"),
        "auroc": figures.training(history, quantity="auroc"),
    }
    return {name: str(svg) for name, svg in drawn.items()}


@pytest.fixture(scope="module")
def drawn() -> dict[str, str]:
    return all_figures()


def test_every_figure_is_well_formed_and_scales_and_says_what_it_shows(drawn):
    for svg in drawn.values():
        root = parsed(svg)
        assert set(root.attrib) == {"viewBox", "role", "aria-label"}
        assert len(root.attrib["aria-label"]) > 20


def test_same_figures_on_every_run_whatever_the_users_style(drawn):
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black", "svg.fonttype": "path"}):
        assert all_figures() == drawn


def test_colors_follow_the_page_and_text_stays_text(drawn):
    for svg in drawn.values():
        assert words(svg)
        assert "font-family" not in svg
        colors = set(re.findall(r"#[0-9a-f]{6}\b", svg))
        assert colors == set(), f"not bound to the style sheet: {colors}"


def test_inner_names_of_two_figures_never_meet(drawn):
    ids = [set(re.findall(r'\bid="([^"]*)"', svg)) for svg in drawn.values()]
    assert sum(map(len, ids)) == len(set.union(*ids)) > 0


def test_nothing_of_a_figure_reaches_the_rest_of_the_page(drawn):
    assert all("<style" not in svg and "<metadata" not in svg for svg in drawn.values())


def test_numbers_in_words_keep_all_their_digits(drawn):
    assert "AUROC 0.913" in words(drawn["roc"])
    assert "○ threshold 0.300" in words(drawn["roc"])


def test_counts_beside_the_histogram_are_those_of_the_calls():
    scores = np.array([0.1, 0.4, 0.6, 0.9, 0.2])
    labels = np.array([True, True, True, False, False])
    svg = figures.score_histogram(scores, labels, scores >= 0.3, [0.3])
    assert "Fracture: 3 images, 1 missed, 2 found" in words(svg)
    assert "No fracture: 2 images, 1 cleared, 1 false alarms" in words(svg)


def test_scores_that_are_no_probabilities_keep_their_range():
    scores = np.array([-7.0, 3.0, 12.0])
    labels = np.array([False, True, True])
    svg = figures.score_histogram(scores, labels, None, [])
    assert "Score" in words(svg)
    assert {"−5.0", "10.0"} <= set(words(svg))


def test_scores_that_are_all_alike_are_drawn():
    svg = figures.score_histogram(np.full(3, 5.0), np.array([True, False, True]), None, [])
    assert "Fracture: 2 images" in words(svg)


def test_each_fit_has_its_line():
    history = pl.DataFrame(
        {"fold": [0, 0, 1, 1], "epoch": [1, 2, 1, 2], "train_loss": [1.0] * 4,
         "valid_loss": [1.0] * 4, "valid_auroc": [0.5, 0.6, 0.7, 0.8]}
    )  # fmt: skip
    assert "of 2 fits" in parsed(figures.training(history, quantity="auroc")).attrib["aria-label"]


def test_names_with_markup_and_dollars_stay_words():
    point = figures.MarkedPoint("<b>$x$ & y", 0.2, 0.8)
    assert "○ <b>$x$ & y" in words(figures.roc(CURVE, None, point))


def test_unit_axes_run_from_nought_to_one():
    with ink.style():
        figure = ink.blank()
        axes = figure.add_subplot()
        ink.unit_axes(axes, x="a", y="b")
        assert axes.get_xlim()[0] <= 0 < 1 <= axes.get_xlim()[1]
        assert axes.get_box_aspect() == 1


def test_every_row_says_its_numbers_and_a_gap_says_so():
    rows = [
        figures.ForestRow("hand", 0.9, 0.8, 0.95),
        figures.ForestRow("hip", 0.7, None, None, faint=True),
        figures.ForestRow("toe", None, None, None, faint=True),
    ]
    svg = figures.forest(rows, name="f", axis="AUROC", line=0.85)
    said = parsed(svg).attrib["aria-label"]
    assert "hand: 0.900 (0.800 to 0.950)" in said
    assert "hip: 0.700;" in said
    assert "toe: not estimable" in said
    assert {"hand", "hip", "toe", "AUROC", "not estimable"} <= set(words(svg))


def test_differences_have_a_sign():
    rows = [
        figures.ForestRow("b − a", 0.02, -0.01, 0.05),
        figures.ForestRow("c − a", -0.02, -0.05, 0.01),
    ]
    said = parsed(figures.forest(rows, name="f", axis="Difference", line=0.0, signed=True)).attrib[
        "aria-label"
    ]
    assert "b − a: +0.020 (−0.010 to 0.050)" in said
    assert "c − a: −0.020" in said
