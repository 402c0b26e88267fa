import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from greenstick.errors import GreenstickError
from greenstick.models.classifier import build_classifier
from greenstick.training.fit import fingerprint, fit, prior_shift
from greenstick.training.keeper import HISTORY_SCHEMA
from greenstick.training.learner import Learner
from greenstick.training.losses import class_weights, image_loss
from greenstick.training.precision import choose_precision
from greenstick.training.predict import predict, to_images
from greenstick.training.ranking import auroc
from greenstick.training.recipe import Augmentation, Recipe
from greenstick.training.samples import Rows, TrainingData


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    others = other.state_dict()
    return all(torch.equal(value, others[name]) for name, value in one.state_dict().items())


def results(history: pl.DataFrame) -> pl.DataFrame:
    return history.drop("images_per_s", "seconds")


def test_it_learns_and_returns_the_best_epoch(miniature, tiny, short, tmp_path, capfd):
    recipe = short.model_copy(update={"epochs": 10, "ema_decay": 0.8, "head_lr_factor": 1.0})
    told = []
    result = fit(
        miniature.data(48, 12), recipe, tiny, tmp_path, progress=told.append, trainer_flags=CPU
    )
    history = result.history
    assert history.schema == pl.Schema(HISTORY_SCHEMA)
    assert history["epoch"].to_list() == list(range(10))
    assert history["train_loss"][-1] < history["train_loss"][0]
    best = history.row(result.kept_epoch, named=True)
    assert best["valid_auroc"] == history["valid_auroc"].max() >= 0.9
    valid = miniature.some(48, 60)
    logits, _ = predict(result.model, miniature.store, valid.keys)
    assert auroc(valid.labels == 1, logits[:, 0]) == pytest.approx(best["valid_auroc"])
    assert not result.model.training
    assert len(told) == 10 * 6
    assert (told[-1].epoch, told[-1].step, told[-1].seconds_left) == (9, 6, 0.0)
    assert told[0].images_per_s > 0
    assert told[0].seconds_left > 0
    assert capfd.readouterr() == ("", "")
    assert not (tmp_path / "resume.ckpt").exists()


CPU = {"accelerator": "cpu"}


def test_one_seed_gives_one_result(miniature, tiny, short, tmp_path):
    data = miniature.data()
    first = fit(data, short, tiny, tmp_path / "a", seed=3, trainer_flags=CPU)
    again = fit(data, short, tiny, tmp_path / "b", seed=3, trainer_flags=CPU)
    other = fit(data, short, tiny, tmp_path / "c", seed=4, trainer_flags=CPU)
    assert same_weights(first.model, again.model)
    assert results(first.history).equals(results(again.history))
    assert not same_weights(first.model, other.model)


class BrokenOffError(Exception):
    pass


RICH = {
    "positive_share": 0.4,
    "freeze": "head-first",
    "accumulate": 2,
    "start_epochs": 1,
    "start_px": 32,
    "box_loss_weight": 0.5,
}
PLATEAU = {"schedule": "plateau", "plateau_patience": 1, "copies": 2, "lr": 0.05}


@pytest.mark.parametrize(("where", "change"), [((1, 1), RICH), ((2, 3), RICH), ((2, 2), PLATEAU)])
def test_a_broken_training_resumes_to_the_same_result(
    miniature, tiny, short, tmp_path, where, change
):
    recipe = short.model_copy(update=change)
    data = miniature.data()
    whole = fit(data, recipe, tiny, tmp_path / "whole", trainer_flags=CPU)

    def break_off(progress):
        if (progress.epoch, progress.step) == where:
            raise BrokenOffError

    with pytest.raises(BrokenOffError):
        fit(data, recipe, tiny, tmp_path / "broken", progress=break_off, trainer_flags=CPU)
    told = []
    resumed = fit(data, recipe, tiny, tmp_path / "broken", progress=told.append, trainer_flags=CPU)
    assert told[0].epoch == where[0]
    assert same_weights(whole.model, resumed.model)
    assert results(whole.history).equals(results(resumed.history))


SCRIPT = """
import pickle, sys, time, torch
from pathlib import Path
from greenstick.training.fit import fit
torch.set_num_threads(1)
folder = Path(sys.argv[1])
data, recipe, settings = pickle.loads((folder / "what.pickle").read_bytes())
def tell(progress):
    print(progress.epoch, progress.step, flush=True)
    time.sleep(0.05)
fit(data, recipe, settings, folder / "fit", progress=tell, trainer_flags={"accelerator": "cpu"})
"""


def start_training(folder: Path, data: TrainingData, recipe: Recipe, settings):
    import pickle

    (folder / "what.pickle").write_bytes(pickle.dumps((data, recipe, settings)))
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_process_resumes_to_the_same_result(miniature, tiny, short, tmp_path, sign):
    data = miniature.data()
    process = start_training(tmp_path, data, short, tiny)
    assert process.stdout is not None
    for line in process.stdout:
        if line.split() == ["1", "2"]:
            process.send_signal(sign)
            break
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    if sign == signal.SIGINT:
        assert "Training was stopped in epoch 2 of 3" in errors
        assert "Run the same command again" in errors
    told = []
    resumed = fit(data, short, tiny, tmp_path / "fit", progress=told.append, trainer_flags=CPU)
    assert told[0].epoch == 1
    whole = fit(data, short, tiny, tmp_path / "whole", trainer_flags=CPU)
    assert same_weights(whole.model, resumed.model)


def test_ctrl_c_leaves_the_process_its_own_answer_to_the_next(miniature, tiny, short, tmp_path):
    before = signal.getsignal(signal.SIGINT)

    def press(progress):
        if progress.epoch == 1:
            threading.Timer(0.0, os.kill, (os.getpid(), signal.SIGINT)).start()
            time.sleep(0.2)

    with pytest.raises(GreenstickError, match="Training was stopped in epoch 2 of 3"):
        fit(miniature.data(), short, tiny, tmp_path, progress=press, trainer_flags=CPU)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_finished_fit_returns_at_once_and_another_starts_anew(miniature, tiny, short, tmp_path):
    data = miniature.data()
    first = fit(data, short, tiny, tmp_path, trainer_flags=CPU)
    told = []
    again = fit(data, short, tiny, tmp_path, progress=told.append, trainer_flags=CPU)
    assert told == []
    assert same_weights(first.model, again.model)
    assert again.history.equals(first.history)
    assert again.kept_epoch == first.kept_epoch
    fit(data, short, tiny, tmp_path, resume=False, progress=told.append, trainer_flags=CPU)
    assert len(told) == 9
    longer = short.model_copy(update={"lr": 1e-4})
    fit(data, longer, tiny, tmp_path, progress=told.append, trainer_flags=CPU)
    assert len(told) == 18


def test_more_fractures_in_training_do_not_raise_the_probability(miniature, tiny, short):
    recipe = short.model_copy(update={"positive_share": 0.5})
    model = build_classifier(tiny)
    labels = np.array([1] + [0] * 9)
    images = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    before = model.eval()(images).logits
    shift = prior_shift(labels, recipe, 1)
    model.head.shift_logits(shift)
    after = model(images).logits
    # Odds of 1 to 9 instead of the drawn 1 to 1 (Elkan 2001).
    assert torch.allclose(torch.exp(after - before), torch.full((2, 1), 1 / 9), atol=1e-5)
    assert prior_shift(labels, short, 1).tolist() == [0.0]


@pytest.mark.parametrize("loss", ["bce", "cross-entropy"])
def test_balanced_weights_do_not_raise_the_probability(short, loss):
    """Logits that fit weighted labels best give the rows' own shares once they are corrected."""
    labels = np.repeat([0, 1, 2], [70, 20, 10])
    recipe = short.model_copy(update={"class_weights": "balanced", "loss": loss})
    logits = torch.zeros(1, 3, requires_grad=True)
    targets = torch.from_numpy(labels)
    weights = class_weights(recipe, targets, 3)
    optimizer = torch.optim.LBFGS([logits], max_iter=200)

    def step():
        optimizer.zero_grad()
        value = image_loss(recipe, logits.expand(100, 3), targets, weights)
        value.backward()
        return value

    optimizer.step(step)
    corrected = (logits + prior_shift(labels, recipe, 3)).detach()[0]
    shares = corrected.softmax(0) if loss == "cross-entropy" else corrected.sigmoid()
    assert torch.allclose(shares, torch.tensor([0.7, 0.2, 0.1]), atol=1e-3)


def test_patience_stops_and_the_best_is_kept(miniature, tiny, short, tmp_path):
    recipe = short.model_copy(update={"epochs": 40, "patience": 2, "lr": 1e-6, "ema_decay": 0.0})
    result = fit(miniature.data(16, 4), recipe, tiny, tmp_path, trainer_flags=CPU)
    epochs = result.history.height
    assert epochs < 40
    assert result.kept_epoch == epochs - 1 - 2


def test_the_last_epoch_is_kept_where_the_recipe_says_so(miniature, tiny, short, tmp_path):
    recipe = short.model_copy(update={"epochs": 4, "lr": 1e-6, "ema_decay": 0.0})
    data, valid = miniature.data(16, 4), miniature.some(16, 20)
    best = fit(data, recipe, tiny, tmp_path / "best", trainer_flags=CPU)
    recipe = recipe.model_copy(update={"keep": "last"})
    last = fit(data, recipe, tiny, tmp_path / "last", trainer_flags=CPU)
    assert results(last.history).drop("kept").equals(results(best.history).drop("kept"))
    assert (best.kept_epoch, last.kept_epoch) == (0, 3)
    assert last.history["kept"].to_list() == [False, False, False, True]
    logits = [predict(net.model, miniature.store, valid.keys).logits for net in (best, last)]
    assert not np.array_equal(*logits)


def test_the_rate_falls_where_nothing_gets_better(miniature, tiny, short, tmp_path):
    change = {"lr": 1e-6, "ema_decay": 0.0, "schedule": "plateau", "warm_up": 0.0}
    recipe = short.model_copy(update={**change, "plateau_patience": 2, "epochs": 5})
    history = fit(miniature.data(16, 4), recipe, tiny, tmp_path, trainer_flags=CPU).history
    first = int(history["valid_auroc"].arg_max())
    expected = [1e-6 if epoch < first + 2 else 1e-7 for epoch in range(5)]
    assert history["lr"].to_list()[: first + 4] == pytest.approx(expected[: first + 4])


def test_copies_are_the_same_in_every_epoch(miniature, tiny, short, tmp_path, monkeypatch):
    seen: dict[int, set[bytes]] = {}

    class Spy(Learner):
        def see(self, batch, step):
            view = super().see(batch, step)
            for row, image in zip(batch.rows.tolist(), view.images, strict=True):
                seen.setdefault(row, set()).add(image.numpy().tobytes())
            return view

    monkeypatch.setattr("greenstick.training.fit.Learner", Spy)
    recipe = short.model_copy(update={"copies": 3})
    told = []
    data = miniature.data(16, 12)
    fit(data, recipe, tiny, tmp_path, progress=told.append, trainer_flags=CPU)
    assert told[-1].steps == 6
    assert sorted(seen) == list(range(48))
    assert all(len(images) == 1 for images in seen.values())
    plain = [
        to_images(torch.from_numpy(data.store.gather([key])))[0].numpy() for key in data.train.keys
    ]
    as_they_are = [np.frombuffer(seen[row].pop(), np.float32) for row in range(16)]
    assert np.allclose(as_they_are, [image.ravel() for image in plain], atol=1e-5)
    assert len(set().union(*seen.values())) == 32


def test_head_only_leaves_the_backbone_as_it_was(miniature, tiny, short, tmp_path):
    recipe = short.model_copy(update={"freeze": "head-only", "epochs": 2, "ema_decay": 0.0})
    result = fit(miniature.data(), recipe, tiny, tmp_path, seed=9, trainer_flags=CPU)
    torch.manual_seed(9)
    from greenstick.models.classifier import build_classifier

    start = build_classifier(tiny)
    assert same_weights(start.backbone, result.model.backbone)
    assert not same_weights(start.head, result.model.head)


@pytest.mark.parametrize(
    "change",
    [
        {"crop_px": 32},
        {"loss": "focal", "frozen_stages": 2},
        {"class_weights": "balanced", "label_smoothing": 0.1, "schedule": "cosine"},
        {"precision": "auto", "accumulate": 3, "gradient_clip": 0.0},
        {"precision": "bf16"},
    ],
)
def test_every_setting_trains(miniature, tiny, short, tmp_path, change):
    recipe = short.model_copy(update={"epochs": 1, **change})
    result = fit(miniature.data(17, 4), recipe, tiny, tmp_path, trainer_flags=CPU)
    assert math.isfinite(result.history["train_loss"][0])
    facts = json.loads((tmp_path / "fit.json").read_text())
    assert facts["precision"] == result.precision in ("32", "bf16")
    assert set(facts["trial_images_per_s"]) == (
        {"32", "bf16"} if recipe.precision == "auto" else set()
    )


def test_several_classes_train_with_a_pyramid(miniature, tiny, short, tmp_path):
    settings = tiny.model_copy(update={"classes": ("none", "square"), "head": "pyramid"})
    recipe = short.model_copy(update={"loss": "cross-entropy", "epochs": 1})
    result = fit(miniature.data(), recipe, settings, tmp_path, trainer_flags=CPU)
    assert predict(result.model, miniature.store, miniature.rows.keys[:2]).logits.shape == (2, 2)


def test_several_classes_of_which_any_may_hold(miniature, tiny, short, tmp_path):
    rows, left = miniature.rows, []
    for boxes in rows.boxes:
        left.append(int(len(boxes) > 0 and boxes[0, 0] + boxes[0, 2] / 2 < 24))
    labels = np.column_stack([rows.labels, left])
    rows = Rows(rows.keys, labels, rows.boxes)
    data = TrainingData(
        miniature.store,
        Rows(rows.keys[:48], labels[:48], rows.boxes[:48]),
        Rows(rows.keys[48:], labels[48:], rows.boxes[48:]),
    )
    settings = tiny.model_copy(update={"classes": ("square", "left"), "outputs": "any-of"})
    augmentation = Augmentation(flip_horizontal=False, rotate_degrees=0.0)
    recipe = short.model_copy(
        update={"epochs": 12, "class_weights": "balanced", "augmentation": augmentation}
    ).model_copy(update={"ema_decay": 0.8, "head_lr_factor": 1.0})
    result = fit(data, recipe, settings, tmp_path, trainer_flags=CPU)
    logits, _ = predict(result.model, miniature.store, rows.keys[48:])
    best = result.history["valid_auroc"].max()
    each = [auroc(labels[48:, c] == 1, logits[:, c]) for c in range(2)]
    assert np.mean(each) == pytest.approx(best)
    assert best > 0.8


def test_faults_are_told_before_anything_is_trained(miniature, tiny, short, tmp_path):
    data = miniature.data()
    ones = np.flatnonzero(miniature.rows.labels == 1)
    rows = miniature.rows
    only = Rows([rows.keys[i] for i in ones], rows.labels[ones], [rows.boxes[i] for i in ones])
    none = Rows([], np.zeros(0, dtype=np.int64), [])
    no_train = TrainingData(data.store, none, data.valid)
    one_train = TrainingData(data.store, only, data.valid)
    one_valid = TrainingData(data.store, data.train, only)
    two = tiny.model_copy(update={"classes": ("a", "b")})
    any_of = two.model_copy(update={"outputs": "any-of"})
    three = tiny.model_copy(update={"classes": ("a", "b", "c")})
    faults = [
        ("training images are of one class", one_train, {}, tiny),
        ("validation images are of one class", one_valid, {}, tiny),
        ("no training images", no_train, {}, tiny),
        ("two classes or more", data, {"loss": "cross-entropy"}, tiny),
        ("do not fit a canvas", data, {"crop_px": 64}, tiny),
        ("canvases of 48 px", data, {"canvas_px": 64}, tiny),
        ("of one output", data, {"box_loss_weight": 1.0}, two),
        ("of one output", data, {"crop_px": 32}, two),
        ("do not fit the model's 2 outputs", data, {}, any_of),
        ("No training image is of class 'c'", data, {}, three),
    ]
    for message, of, change, settings in faults:
        with pytest.raises(GreenstickError, match=message):
            fit(of, short.model_copy(update=change), settings, tmp_path, trainer_flags=CPU)
    assert not (tmp_path / "fit.json").exists()


def test_a_loss_that_is_no_number_is_told(miniature, tiny, short, tmp_path):
    recipe = short.model_copy(update={"lr": 1e30, "gradient_clip": 0.0, "warm_up": 0.0})
    with pytest.raises(GreenstickError, match="no longer a number"):
        fit(miniature.data(), recipe, tiny, tmp_path, trainer_flags=CPU)


def test_the_trial_leaves_model_and_random_state(tiny, short):
    from greenstick.models.classifier import build_classifier

    model = build_classifier(tiny)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    auto = short.model_copy(update={"precision": "auto"})
    chosen = choose_precision(auto, model, torch.device("cpu"))
    speeds = chosen.images_per_s
    assert chosen.name == max(speeds, key=lambda name: speeds[name])
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert choose_precision(short, model, torch.device("cpu")).images_per_s == {}


def test_a_fingerprint_tells_data_apart(miniature):
    rows = miniature.some(0, 8)
    assert fingerprint(rows) == fingerprint(miniature.some(0, 8))
    assert fingerprint(rows) != fingerprint(miniature.some(0, 9))
    assert fingerprint(rows) != fingerprint(Rows(rows.keys, 1 - rows.labels, rows.boxes))
    assert fingerprint(rows) != fingerprint(Rows(rows.keys, rows.labels, [None] * 8))


def test_random_draws_depend_on_the_process(miniature, tiny, short):
    from greenstick.models.classifier import build_classifier

    learner = Learner(build_classifier(tiny), short, miniature.data(), seed=1, autocast=False)
    seeds = {learner._seed_of(part) for part in range(5)}
    assert len(seeds) == 5


@pytest.mark.slow
def test_two_processes_train_as_one(miniature, tiny, short, tmp_path):
    recipe = short.model_copy(update={"freeze": "head-first", "epochs": 2, "batch_size": 4})
    flags = {"accelerator": "cpu", "devices": 2, "strategy": "ddp_spawn"}
    result = fit(miniature.data(), recipe, tiny, tmp_path, trainer_flags=flags)
    assert result.history["epoch"].to_list() == [0, 1]
    best = result.history.row(result.kept_epoch, named=True)
    valid = miniature.some(24, 36)
    logits, _ = predict(result.model, miniature.store, valid.keys)
    assert auroc(valid.labels == 1, logits[:, 0]) == pytest.approx(best["valid_auroc"])
