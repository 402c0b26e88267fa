import math

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax

from greenstick.errors import GreenstickError
from greenstick.training.consistency import Consistency, consistency_loss, strengthen
from greenstick.training.fit import fit
from greenstick.training.recipe import NO_AUGMENTATION, Augmentation, Recipe
from greenstick.training.samples import Rows, TrainingData, unlabeled_rows

CPU = {"accelerator": "cpu"}


def test_only_sure_answers_teach_each_its_class_by_hand() -> None:
    told = torch.tensor([[4.0], [0.5], [-4.0]])
    answer = torch.tensor([[1.0], [2.0], [0.5]])
    loss = consistency_loss(told, answer, 0.9, one_of=False)
    expected = -(math.log(expit(1.0)) + math.log(1.0 - expit(0.5))) / 3.0
    assert float(loss) == pytest.approx(expected, rel=1e-6)
    told = torch.tensor([[5.0, 0.0, 0.0], [0.1, 0.0, 0.2]])
    answer = torch.tensor([[1.0, 2.0, 0.0], [3.0, 0.0, 0.0]])
    loss = consistency_loss(told, answer, 0.9, one_of=True)
    assert float(loss) == pytest.approx(-math.log(softmax([1.0, 2.0, 0.0])[0]) / 2.0, rel=1e-5)


def test_the_teacher_learns_nothing() -> None:
    told = torch.tensor([[4.0]], requires_grad=True)
    answer = torch.tensor([[1.0]], requires_grad=True)
    consistency_loss(told.detach(), answer, 0.9, one_of=False).backward()
    assert told.grad is None
    assert float(answer.grad) == pytest.approx(expit(1.0) - 1.0)


def test_strong_variation_is_within_what_a_recipe_allows() -> None:
    widest = Augmentation(rotate_degrees=150.0, contrast=0.8, brightness=0.9, noise=0.8)
    strong = strengthen(widest)
    Augmentation.model_validate(strong.model_dump())
    assert strong.exposure == 2.0 * widest.exposure
    assert strengthen(NO_AUGMENTATION).rotate_degrees == 0.0
    assert strengthen(NO_AUGMENTATION).cut_out > 0.0


def data(miniature, labeled: int, without: int) -> TrainingData:
    some = miniature.data(labeled, 12)
    others = unlabeled_rows(miniature.rows.keys[60 - without :])
    return TrainingData(some.store, some.train, some.valid, others)


def test_a_seed_draws_one_batch_in_the_share_that_is_wanted(miniature, short) -> None:
    recipe = short.model_copy(update={"unlabeled_share": 2.0})
    consistency = Consistency(recipe, data(miniature, 8, 20))
    batch = consistency.draw(5, seed=3)
    assert len(batch.rows) == 10
    assert not batch.annotated.any()
    assert torch.equal(batch.rows, consistency.draw(5, seed=3).rows)
    assert not torch.equal(batch.rows, consistency.draw(5, seed=4).rows)


def test_images_without_labels_change_what_is_learned_and_only_where_wanted(
    miniature, tiny, short, tmp_path
) -> None:
    with_others = data(miniature, 16, 24)
    recipe = short.model_copy(update={"unlabeled_weight": 1.0, "unlabeled_threshold": 0.51})
    first = fit(with_others, recipe, tiny, tmp_path / "a", trainer_flags=CPU)
    again = fit(with_others, recipe, tiny, tmp_path / "b", trainer_flags=CPU)
    without = fit(with_others, short, tiny, tmp_path / "c", trainer_flags=CPU)
    losses = [each.history["train_loss"].to_numpy() for each in (first, again, without)]
    assert np.array_equal(losses[0], losses[1])
    assert (losses[0][1:] > losses[2][1:]).all()  # once sure, agreement comes on top


def test_few_labels_go_further_with_images_without(miniature, tiny, tmp_path) -> None:
    """Squares in noise, of which six are labeled: the others are told by what is sure."""
    recipe = Recipe(
        canvas_px=48, epochs=14, batch_size=6, lr=2e-3, precision="32", ema_decay=0.8,
        head_lr_factor=1.0, augmentation=Augmentation(rotate_degrees=5.0),
    )  # fmt: skip
    learned = recipe.model_copy(
        update={"unlabeled_weight": 1.0, "unlabeled_threshold": 0.6, "unlabeled_share": 4.0}
    )
    some = data(miniature, 6, 42)
    plain = fit(some, recipe, tiny, tmp_path / "plain", trainer_flags=CPU)
    with_others = fit(some, learned, tiny, tmp_path / "others", trainer_flags=CPU)
    best = [float(each.history["valid_auroc"].max()) for each in (plain, with_others)]
    assert best[1] >= best[0]
    assert best[1] > 0.8


def test_settings_that_cannot_be_are_refused(miniature, tiny, short, tmp_path) -> None:
    wanted = short.model_copy(update={"unlabeled_weight": 1.0})
    with pytest.raises(GreenstickError, match="no training images without a label"):
        fit(miniature.data(), wanted, tiny, tmp_path, trainer_flags=CPU)
    cropped = wanted.model_copy(update={"crop_px": 32})
    with pytest.raises(GreenstickError, match="A crop of an image without a label"):
        fit(data(miniature, 16, 20), cropped, tiny, tmp_path, trainer_flags=CPU)


def test_rows_without_labels_know_nothing() -> None:
    rows = unlabeled_rows([b"a", b"b"])
    assert isinstance(rows, Rows)
    assert rows.labels.tolist() == [-1, -1]
    assert rows.boxes == [None, None]
