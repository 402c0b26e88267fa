"""Answers on the network, its training and its software."""

from greenstick.reports.checklists.answer import Answer, from_settings, section
from greenstick.reports.contents import RunContents
from greenstick.reports.making import calibration_origin, fitting_times
from greenstick.reports.wording import count, number

_SOFTWARE = ("python", "greenstick", "torch", "torchvision", "timm", "lightning", "numpy")


def inputs(contents: RunContents) -> Answer | None:
    """Say what the network sees."""
    if not contents.cards:
        return None
    return Answer("The pixels of one radiograph, and nothing else.", ("card.json",))


def model(contents: RunContents) -> Answer | None:
    """Describe the network."""
    backbones = sorted({card.classifier.backbone for card in contents.cards.values()})
    if not backbones:
        return None
    text = f"{', '.join(backbones)}; output: one logit a class."
    head = section(contents, "model").get("head")
    files = ("card.json",)
    if head is None:
        return Answer(text, files)
    return Answer(f"{text} Head: {head}.", (*files, "experiment.toml"))


def specification(contents: RunContents) -> Answer | None:
    """Say where the whole network lies."""
    if not contents.cards:
        return None
    names = ", ".join(contents.cards)
    text = f"Weights, ONNX graph and card of {names} lie in the run folder."
    return Answer(text, ("models/", "card.json"))


def software(contents: RunContents) -> Answer | None:
    """List versions."""
    said = [
        f"{name} {contents.environment[name]}" for name in _SOFTWARE if name in contents.environment
    ]
    return Answer(f"{', '.join(said)}.", ("environment.json",)) if said else None


def initialization(contents: RunContents) -> Answer | None:
    """Say what training started from."""
    origins = sorted({card.weights_origin for card in contents.cards.values()} - {""})
    return Answer(f"{'; '.join(origins)}.", ("card.json",)) if origins else None


def training(contents: RunContents) -> Answer | None:
    """Say how networks were trained."""
    text = (
        "{epochs} epochs of batches of {batch_size}; highest learning rate {lr:g}, schedule "
        "{schedule}, weight decay {weight_decay:g}; loss {loss}. All settings, augmentation "
        "included, stand in the experiment file."
    )
    found = from_settings(contents, "recipe", text)
    if found is None:
        return None
    trials = (
        "" if contents.trials is None else f" {count(contents.trials.height, 'trial')} of settings."
    )
    files = found.files if contents.trials is None else (*found.files, "trials.parquet")
    return Answer(found.text + trials, files)


def selection(contents: RunContents) -> Answer | None:
    """Say which epoch was kept."""
    fits = [fit for fit in fitting_times(contents.history) if fit.kept_auroc is not None]
    if not fits:
        return None
    kept = "; ".join(f"{fit.name}: epoch {fit.kept_epoch} of {fit.epochs}" for fit in fits[:5])
    more = f" and {len(fits) - 5} more" if len(fits) > 5 else ""
    text = f"The best by AUROC on validation rows, or, as recipe.keep says, the last: {kept}{more}."
    return Answer(text, ("history.parquet",))


def ensemble(contents: RunContents) -> Answer | None:
    """Say how many networks answer as one."""
    if contents.models is None or "networks" not in contents.models.columns:
        return None
    most = int(contents.models["networks"].max() or 1)  # type: ignore[arg-type]
    text = "None." if most == 1 else f"{most} networks, alike but for their seed, answer as one."
    return Answer(text, ("models.parquet",))


def imbalance(contents: RunContents) -> Answer | None:
    """Say how often fractures were drawn."""
    share = section(contents, "recipe").get("positive_share")
    if share is None:
        return None
    if share == 0:
        return Answer("None: images were drawn as they come.", ("experiment.toml",))
    text = (
        f"Fractures made up {share:g} of the images drawn in training; logits are corrected for "
        "it, and then calibrated."
    )
    return Answer(text, ("experiment.toml",))


def calibration(contents: RunContents) -> Answer | None:
    """Say how scores became probabilities."""
    fitted = contents.evidence.calibrators
    if not fitted:
        return None
    origins = [calibration_origin(one) for one in fitted]
    said = "; ".join(f"{one.what} {one.value} on {one.n} {one.rows}" for one in origins)
    return Answer(f"{said}.", ("evidence.json",))


def prediction(contents: RunContents) -> Answer | None:
    """Say how a new image gets its probability."""
    text = "The network's logit, divided by the temperature, through a sigmoid"
    found = from_settings(contents, "recipe", text + "; mirror image averaged: {flip_average}.")
    return found if contents.evidence.calibrators else None


def output(contents: RunContents) -> Answer | None:
    """Name thresholds and how they were chosen."""
    points = contents.evidence.operating_points
    if not points:
        return None
    said = ", ".join(dict.fromkeys(number(point.threshold) for point in points))
    how = ", ".join(sorted({f"{point.rule} on {point.chosen_on}" for point in points}))
    text = f"A probability; called a fracture from {said} on ({how})."
    return Answer(text, ("evidence.json",))


def protocol(contents: RunContents) -> Answer | None:
    """Say where every setting stands."""
    if contents.settings is None:
        return None
    return Answer(
        "The experiment file holds every setting; the same file repeats the run.",
        ("experiment.toml",),
    )


def code(contents: RunContents) -> Answer | None:
    """Name the program and the command."""
    version, command = (contents.environment.get(name) for name in ("greenstick", "command"))
    if not version or not command:
        return None
    return Answer(f"Greenstick {version} (Apache-2.0): {command}", ("environment.json",))
