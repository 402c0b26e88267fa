import pytest

from greenstick.findings import Severity
from greenstick.models.settings import ClassifierSettings
from greenstick.training.checks import advise
from greenstick.training.recipe import Recipe


@pytest.mark.parametrize(
    ("norms", "change", "warned"),
    [
        ("fold", {"lr": 1e-3}, True),
        ("fold", {"lr": 1e-4}, False),
        ("fold", {"lr": 1e-3, "frozen_stages": 3}, False),
        ("fold", {"lr": 1e-3, "freeze": "head-only"}, False),
        ("keep", {"lr": 1e-3}, False),
    ],
)
def test_a_high_rate_without_norms_is_warned_of(norms, change, warned):
    found = advise(Recipe(**change), ClassifierSettings(batch_norm=norms))
    assert [finding.code for finding in found] == ["rate-high-without-norms"] * warned
    assert all(finding.severity is Severity.WARNING for finding in found)
