from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from greenstick.errors import GreenstickError
from greenstick.findings import Severity, worst
from greenstick.models.patch_checkpoint import load_restorer
from greenstick.models.patch_restorer import Restorer, residuals
from greenstick.models.patch_settings import RestorerSettings
from greenstick.training.restorer import RestorerRecipe, fit_restorer, judge

SETTINGS = RestorerSettings(patch_px=8, width=8, scales=(1,))
RECIPE = RestorerRecipe(
    steps=200, batch=8, crop_px=32, lr=5e-3, check_every=100, ema=0.9, adversarial=0.02
)


class Bars:
    """Straight bright bars on gray: what a hole hides can be told from around it."""

    canvas_px = 64

    def gather(self, keys: Sequence[bytes]) -> NDArray[Any]:
        return np.stack([self.bar(int(key)) for key in keys])

    def bar(self, seed: int) -> NDArray[np.uint8]:
        rng = np.random.default_rng(seed)
        image = np.full((64, 64), 60, np.uint8)
        left, width = int(rng.integers(12, 40)), int(rng.integers(6, 12))
        image[:, left : left + width] = 200
        return image


HEALTHY, HELD_BACK = ([str(n).encode() for n in some] for some in (range(30), range(90, 99)))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_it_learns_what_continues_and_a_break_departs_from_it(tmp_path: Path) -> None:
    fitted = fit_restorer(Bars(), HEALTHY, HELD_BACK, RECIPE, SETTINGS, tmp_path)
    assert worst(fitted.findings) is Severity.PASSED
    last = fitted.history.row(-1, named=True)
    assert last["error"] < 0.8 * last["smooth_error"]
    assert fitted.history["step"].to_list() == [100, 200]
    bar = Bars().bar(95)
    broken = bar.copy()
    left = int((bar[0] > 100).argmax())
    broken[27:30, left : left + 6] = 90  # a gap across part of the bar
    pair = torch.from_numpy(np.stack([bar, broken])[:, None] / np.float32(255.0))
    with torch.no_grad():
        departure = residuals(fitted.restorer, pair)[1].abs()
    gap = (slice(27, 30), slice(left, left + 6))
    assert departure[1, 0][gap].mean() > 2.0 * departure[0, 0][gap].mean()
    kept = load_restorer(tmp_path)
    with torch.no_grad():
        assert torch.equal(residuals(kept, pair)[1].abs(), departure)
    sheets = sorted(path.name for path in tmp_path.glob("*.png"))
    assert sheets == ["restored-000100.png", "restored-000200.png"]
    with Image.open(tmp_path / sheets[0]) as sheet:
        assert sheet.size == (4 * 32, 8 * 32)


def test_one_seed_gives_one_restorer(tmp_path: Path) -> None:
    short = RECIPE.model_copy(update={"steps": 6, "check_every": 3})
    first, second, other = (
        fit_restorer(Bars(), HEALTHY, HELD_BACK, short, SETTINGS, tmp_path, seed=seed)
        for seed in (1, 1, 2)
    )
    assert first.history.equals(second.history)
    assert not first.history.equals(other.history)
    assert first.history["critic"].null_count() == 0 < first.history["critic"].min()


def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    short = RECIPE.model_copy(update={"steps": 6, "check_every": 2})
    whole = fit_restorer(Bars(), HEALTHY, HELD_BACK, short, SETTINGS, tmp_path / "a")

    def stop(done: int, _: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_restorer(Bars(), HEALTHY, HELD_BACK, short, SETTINGS, tmp_path / "b", progress=stop)
    steps: list[tuple[int, int]] = []
    resumed = fit_restorer(
        Bars(), HEALTHY, HELD_BACK, short, SETTINGS, tmp_path / "b", resume=True,
        progress=lambda *at: steps.append(at),
    )  # fmt: skip
    assert steps == [(5, 6), (6, 6)]
    assert resumed.history.equals(whole.history)
    ours, theirs = (each.restorer.state_dict() for each in (resumed, whole))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_without_weight_the_critic_takes_no_part(tmp_path: Path) -> None:
    alone = RECIPE.model_copy(update={"steps": 2, "check_every": 1, "adversarial": 0.0})
    steps: list[tuple[int, int]] = []
    fitted = fit_restorer(
        Bars(), HEALTHY, HELD_BACK, alone, SETTINGS, tmp_path, progress=lambda *at: steps.append(at)
    )
    assert fitted.history["critic"].null_count() == 2
    assert steps == [(1, 2), (2, 2)]


def test_it_goes_on_from_another_of_the_same_settings(tmp_path: Path) -> None:
    one = RECIPE.model_copy(update={"steps": 1, "lr": 1e-9})
    torch.manual_seed(5)
    before = Restorer(SETTINGS)
    after = fit_restorer(Bars(), HEALTHY, HELD_BACK, one, SETTINGS, tmp_path, begin=before)
    image = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        change = residuals(after.restorer, image)[1] - residuals(before, image)[1]
    assert change.abs().max() < 1e-4
    others = SETTINGS.model_copy(update={"guide": "none"})
    with pytest.raises(GreenstickError, match="other settings"):
        fit_restorer(Bars(), HEALTHY, HELD_BACK, one, others, tmp_path, begin=before)


def test_a_loss_that_is_no_number_ends_with_a_remedy(tmp_path: Path) -> None:
    wild = RECIPE.model_copy(update={"lr": 1e18})
    with pytest.raises(GreenstickError, match="no longer a number") as caught:
        fit_restorer(Bars(), HEALTHY, HELD_BACK, wild, SETTINGS, tmp_path)
    assert "smaller learning rate" in caught.value.remedy


@pytest.mark.parametrize(
    ("errors", "spread", "code", "severity"),
    [
        ((0.05, 0.02), 0.9, "restorer-learned", Severity.PASSED),
        ((0.05, 0.09), 0.9, "restorer-learned", Severity.ERROR),
        ((0.05, 0.02), 0.1, "mode-collapse", Severity.ERROR),
        ((0.02, 0.05), 0.9, "divergence", Severity.WARNING),
    ],
)
def test_what_went_wrong_is_said(
    errors: tuple[float, float], spread: float, code: str, severity: Severity
) -> None:
    history = pl.DataFrame({"error": errors, "smooth_error": [0.08] * 2, "spread": [spread] * 2})
    assert severity in {finding.severity for finding in judge(history) if finding.code == code}
