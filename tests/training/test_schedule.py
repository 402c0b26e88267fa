import pytest
import torch

from greenstick.models.classifier import build_classifier
from greenstick.training.recipe import Recipe
from greenstick.training.schedule import (
    make_optimizer,
    plateau_level,
    rate_factor,
    update_average,
)


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine", "constant", "plateau"])
def test_the_rate_rises_and_falls(schedule):
    recipe = Recipe(schedule=schedule, warm_up=0.2)
    rates = [rate_factor(recipe, step, 100) for step in range(100)]
    assert rates[0] < 0.1
    assert max(rates) == pytest.approx(1.0, abs=0.01)
    assert rates[:21] == sorted(rates[:21])
    if schedule in ("constant", "plateau"):
        assert set(rates[21:]) == {1.0}
    else:
        assert rates[20:] == sorted(rates[20:], reverse=True)
        assert rates[60] == pytest.approx(0.505, abs=0.01)
        assert 0 < rates[-1] < 0.02


def test_the_rate_falls_at_each_plateau_as_torch_lowers_it():
    recipe = Recipe(schedule="plateau", plateau_patience=2, plateau_factor=0.5)
    aurocs = [0.6, 0.7, 0.7, 0.69, 0.68, 0.65, 0.8, 0.8, 0.8, 0.8, 0.8]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    # torch counts the epochs beyond its patience, so that its 1 is our 2.
    judge = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", factor=0.5, patience=1, threshold=0.0
    )
    for epochs in range(1, len(aurocs) + 1):
        judge.step(aurocs[epochs - 1])
        assert plateau_level(recipe, aurocs[:epochs]) == optimizer.param_groups[0]["lr"]
    assert plateau_level(recipe, aurocs) == 0.5**4
    assert plateau_level(Recipe(), aurocs) == 1.0


def test_without_warm_up_it_starts_at_the_top():
    assert rate_factor(Recipe(warm_up=0.0), 0, 10) == 1.0


def test_head_and_backbone_have_their_rates_and_norms_do_not_decay(tiny):
    model = build_classifier(tiny)
    recipe = Recipe(lr=1e-3, head_lr_factor=5.0, weight_decay=0.1)
    groups = make_optimizer(recipe, model).param_groups
    of = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    assert len(of) == len(list(model.parameters()))
    assert of[id(model.backbone.conv_stem.weight)] == (1e-3, 0.1)
    assert of[id(model.backbone.bn1.weight)] == (1e-3, 0.0)
    assert of[id(model.head.cell.weight)] == (5e-3, 0.1)
    assert of[id(model.head.cell.bias)] == (5e-3, 0.0)


def test_the_average_follows_the_weights_and_the_statistics(tiny):
    average = build_classifier(tiny).requires_grad_(False)
    model = build_classifier(tiny)
    with torch.no_grad():
        for value in average.state_dict().values():
            value.zero_()
        for value in model.state_dict().values():
            value.fill_(1)
    update_average(average, model, decay=0.5, step=0)  # the first steps forget more quickly
    assert float(average.head.cell.weight.mean()) == pytest.approx(0.9)
    update_average(average, model, decay=0.5, step=1000)
    assert float(average.head.cell.weight.mean()) == pytest.approx(0.95)
    assert float(average.backbone.bn1.running_mean.mean()) == pytest.approx(0.95)
