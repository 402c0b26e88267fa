import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenstick.decision.triage import ANSWERS, Triage, choose_triage, triage
from greenstick.errors import GreenstickError


def test_three_answers() -> None:
    thresholds = Triage(
        doubt_from=0.2, fracture_from=0.7, sensitivity=1, specificity=1, chosen_on="valid", n=4
    )
    answers = triage([0.19, 0.2, 0.69, 0.7], thresholds)
    assert [ANSWERS[a] for a in answers] == ["no fracture", "doubt", "doubt", "fracture"]


@given(
    st.integers(0, 10_000),
    st.sampled_from([0.5, 0.8, 0.95, 1.0]),
    st.sampled_from([0.5, 0.8, 0.95, 1.0]),
)
def test_both_requirements_are_met_with_the_least_doubt(
    seed: int, sensitivity: float, specificity: float
) -> None:
    generator = np.random.default_rng(seed)
    labels = generator.permutation([0, 1] * 15)
    scores = generator.integers(0, 20, 30) + 5.0 * labels
    found = choose_triage(
        labels, scores, sensitivity=sensitivity, specificity=specificity, chosen_on="valid"
    )
    assert found.doubt_from <= found.fracture_from
    answers = triage(scores, found)
    assert (answers[labels == 1] > 0).mean() >= sensitivity
    assert (answers[labels == 0] < 2).mean() >= specificity
    # Raising the lower or lowering the upper threshold past one more score breaks a requirement.
    if (answers == 1).any():
        in_doubt = np.sort(scores[answers == 1])
        fewer = (scores[labels == 1] > in_doubt[0]).mean()
        more = (scores[labels == 0] < in_doubt[-1]).mean()
        assert fewer < sensitivity
        assert more < specificity


def test_no_doubt_where_one_threshold_does() -> None:
    found = choose_triage([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9], chosen_on="valid")
    assert found.doubt_from == found.fracture_from
    assert triage([0.1, 0.2, 0.8, 0.9], found).tolist() == [0, 0, 2, 2]


def test_what_cannot_be_required_is_refused() -> None:
    with pytest.raises(GreenstickError, match="sensitivity"):
        choose_triage([0, 1], [0.1, 0.9], sensitivity=0.0, chosen_on="valid")
    with pytest.raises(GreenstickError, match="one class"):
        choose_triage([1, 1], [0.1, 0.9], chosen_on="valid")


def test_a_triage_survives_json() -> None:
    found = choose_triage([0, 1, 0, 1], [0.1, 0.4, 0.5, 0.9], chosen_on="valid")
    assert Triage.model_validate_json(found.model_dump_json()) == found
