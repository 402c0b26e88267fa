"""Temperature and threshold of an outer fold, from inside its training part alone."""

import polars as pl

from greenstick.decision.calibration import Temperature, fit_temperature
from greenstick.decision.operating_points import OperatingPoint, Rule, choose_operating_point
from greenstick.errors import GreenstickError
from greenstick.scores import need_columns


def fit_inside(
    inner_scores: pl.DataFrame,
    *,
    rule: Rule = "youden",
    target: float | None = None,
    fold: int | None = None,
    repeat: int | None = None,
) -> tuple[Temperature, OperatingPoint]:
    """Fit what an outer fold needs on the inner out-of-fold scores of its training part.

    Each training image was scored once, by the inner network that had not seen it; the pooled
    scores stand in for those that the outer network gives to new images. The outer fold's own
    images take no part: what is chosen here is applied to them unseen (nested cross-validation,
    Varma & Simon 2006).

    Parameters
    ----------
    inner_scores
        One row a training image of the outer fold: ``image``, ``label`` (0 or 1), ``logit`` (of
        the inner network that did not train on it) and ``inner_fold`` (the number of the inner
        fold that held the image out).
    rule, target
        How the threshold is chosen, as for
        :func:`~greenstick.decision.operating_points.choose_operating_point`; on calibrated scores.
    fold, repeat
        The outer fold that both are for.

    Returns
    -------
    tuple of Temperature and OperatingPoint
        Both name ``inner folds`` (of their repeat and fold) as the rows they come from, and carry
        the digest of those rows.

    Raises
    ------
    GreenstickError
        Where a column is missing, an image is listed twice or was held out by no inner fold,
        there is a single inner fold or one class only, or a logit is not finite.
    """
    need_columns(inner_scores, "image", "label", "logit", "inner_fold")
    _check_inner(inner_scores)
    labels, logits = inner_scores["label"].to_numpy(), inner_scores["logit"].to_numpy()
    where = inner_name(fold, repeat)
    images = inner_scores["image"].to_list()
    temperature = fit_temperature(logits, labels, fitted_on=where, images=images)
    point = choose_operating_point(
        labels,
        temperature.apply(logits),
        rule=rule,
        target=target,
        chosen_on=where,
        repeat=repeat,
        fold=fold,
        images=images,
    )
    return temperature, point


def inner_name(fold: int | None, repeat: int | None) -> str:
    """Return what the inner out-of-fold rows of an outer fold are called."""
    parts = [f"{name} {n}" for name, n in (("repeat", repeat), ("fold", fold)) if n is not None]
    return f"inner folds of {', '.join(parts)}" if parts else "inner folds"


def _check_inner(inner_scores: pl.DataFrame) -> None:
    if inner_scores["image"].is_duplicated().any():
        raise GreenstickError(
            "An image has several inner scores.",
            remedy="Keep the score of the inner network that did not train on it.",
        )
    if inner_scores["inner_fold"].null_count():
        raise GreenstickError(
            "An image was held out by no inner fold.",
            remedy="Leave out scores of images that the network was trained on.",
        )
    if inner_scores["inner_fold"].n_unique() < 2:
        raise GreenstickError(
            "There is a single inner fold.",
            remedy="Split the training part into at least two, better five.",
        )
