import numpy as np
import torch

from greenstick.models.classifier import build_classifier
from greenstick.models.ensemble import Ensemble
from greenstick.training.predict import predict, to_images


def test_scores_come_in_the_order_of_the_keys_whatever_the_batch(miniature, tiny):
    torch.manual_seed(0)
    model = build_classifier(tiny).train()
    keys = miniature.rows.keys[:7]
    told = []
    logits, maps = predict(
        model, miniature.store, keys, batch=3, progress=lambda done, of: told.append((done, of))
    )
    assert logits.shape == (7, 1)
    assert maps.shape[:2] == (7, 1)
    assert told == [(3, 7), (6, 7), (7, 7)]
    backwards = predict(model, miniature.store, keys[::-1], batch=7)
    np.testing.assert_allclose(backwards.logits[::-1], logits, atol=1e-5)


def test_flip_average_is_the_mean_of_both_sides(miniature, tiny):
    model = build_classifier(tiny).eval()
    keys = miniature.rows.keys[:4]
    averaged = predict(model, miniature.store, keys, flip_average=True)
    images = to_images(torch.from_numpy(miniature.store.gather(keys)))
    with torch.no_grad():
        plain, mirrored = model(images), model(images.flip(3))
    np.testing.assert_allclose(
        averaged.logits, ((plain.logits + mirrored.logits) / 2).numpy(), atol=1e-5
    )
    np.testing.assert_allclose(
        averaged.maps, ((plain.maps + mirrored.maps.flip(3)) / 2).numpy(), atol=1e-5
    )


def test_an_ensemble_says_how_far_its_members_differ(miniature, tiny):
    members = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        members.append(build_classifier(tiny))
    keys = miniature.rows.keys[:5]
    joint = predict(Ensemble(members), miniature.store, keys, batch=2)
    each = [predict(member, miniature.store, keys).logits for member in members]
    assert predict(members[0], miniature.store, keys).spread is None
    np.testing.assert_allclose(joint.logits, np.mean(each, axis=0), atol=1e-5)
    np.testing.assert_allclose(joint.spread, np.std(each, axis=0, ddof=1), atol=1e-5)
    flipped = predict(Ensemble(members), miniature.store, keys, flip_average=True)
    one_by_one = [
        predict(member, miniature.store, keys, flip_average=True).logits for member in members
    ]
    np.testing.assert_allclose(flipped.logits, np.mean(one_by_one, axis=0), atol=1e-5)


def test_no_images_give_no_scores(miniature, tiny):
    logits, maps = predict(build_classifier(tiny), miniature.store, [])
    assert logits.shape == (0, 1)
    assert len(maps) == 0
