import numpy as np
import pytest
import torch

from greenstick.models.classifier import build_classifier
from greenstick.training.fit import fit
from greenstick.training.frozen_features import keeps_features
from greenstick.training.predict import predict
from greenstick.training.recipe import NO_AUGMENTATION

CPU = {"accelerator": "cpu"}
FROZEN = {"freeze": "head-only", "copies": 3}


@pytest.fixture
def frozen(short):
    return short.model_copy(update={**FROZEN, "epochs": 4, "ema_decay": 0.9})


@pytest.fixture
def plain(tiny):
    return tiny.model_copy(update={"dropout": 0.0})


@pytest.mark.parametrize(
    "head",
    [{}, {"pooling": "log-sum-exp"}, {"head": "pyramid"}, {"head": "cells"}],
    ids=["linear", "log-sum-exp", "pyramid", "cells"],
)
def test_the_answer_is_that_of_going_through_the_network(miniature, plain, frozen, tmp_path, head):
    settings = plain.model_copy(update=head)
    data = miniature.data()
    quick = fit(data, frozen, settings, tmp_path / "quick", trainer_flags=CPU)
    slowly = frozen.model_copy(update={"keep_features": False})
    slow = fit(data, slowly, settings, tmp_path / "slow", trainer_flags=CPU)
    keys = miniature.rows.keys
    expected = predict(slow.model, miniature.store, keys)
    found = predict(quick.model, miniature.store, keys)
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-4)
    np.testing.assert_allclose(found.maps, expected.maps, atol=1e-4)
    assert float(np.std(expected.logits)) > 1e-3
    for column in ("train_loss", "valid_loss", "valid_auroc"):
        np.testing.assert_allclose(quick.history[column], slow.history[column], atol=1e-4)


def test_each_image_goes_through_the_network_once(miniature, plain, frozen, tmp_path, monkeypatch):
    seen, forward = [], torch.nn.Conv2d.forward

    def count(self, images):
        if self.in_channels == 3:
            seen.append(len(images))
        return forward(self, images)

    monkeypatch.setattr(torch.nn.Conv2d, "forward", count)
    told = []
    fit(miniature.data(), frozen, plain, tmp_path, progress=told.append, trainer_flags=CPU)
    # 24 images three times, 12 to stop by, and an image or two to learn the features' shape.
    assert 84 <= sum(seen) <= 86
    passed = [(t.epoch, t.step, t.steps) for t in told[:11]]
    assert passed == [(0, step, 11) for step in range(1, 12)]
    assert told[-1].epoch == 3
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["best.safetensors", "fit.json", "history.parquet"]


class BrokenOffError(Exception):
    pass


@pytest.mark.parametrize("calls", [3, 20])
def test_it_resumes_and_a_finished_fit_needs_no_features(miniature, plain, frozen, tmp_path, calls):
    data = miniature.data()
    whole = fit(data, frozen, plain, tmp_path / "whole", trainer_flags=CPU)
    told = []

    def break_off(progress):
        told.append(progress)
        if len(told) == calls:
            raise BrokenOffError

    with pytest.raises(BrokenOffError):
        fit(data, frozen, plain, tmp_path / "broken", progress=break_off, trainer_flags=CPU)
    resumed = fit(data, frozen, plain, tmp_path / "broken", trainer_flags=CPU)
    again = fit(data, frozen, plain, tmp_path / "broken", trainer_flags=CPU)
    keys = miniature.rows.keys
    expected = predict(whole.model, miniature.store, keys).logits
    for result in (resumed, again):
        assert np.array_equal(predict(result.model, miniature.store, keys).logits, expected)


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({}, True),
        ({"copies": 0}, False),
        ({"copies": 0, "augmentation": NO_AUGMENTATION}, True),
        ({"freeze": "head-first"}, False),
        ({"keep_features": False}, False),
        ({"crop_px": 32}, False),
        ({"start_px": 32, "start_epochs": 1}, False),
        ({"box_loss_weight": 1.0}, False),
    ],
)
def test_features_are_kept_only_where_nothing_moves(miniature, plain, frozen, change, kept):
    model = build_classifier(plain)
    recipe = frozen.model_copy(update=change)
    assert keeps_features(recipe, model, miniature.data()) is kept


def test_features_are_kept_only_where_there_is_room(miniature, plain, frozen, monkeypatch):
    model = build_classifier(plain)
    numbers = (24 * 3 + 12) * model.backbone.num_features
    for room, kept in ((4 * numbers, True), (4 * numbers - 1, False)):
        monkeypatch.setattr("greenstick.training.frozen_features.MOST_BYTES", room)
        assert keeps_features(frozen, model, miniature.data()) is kept
