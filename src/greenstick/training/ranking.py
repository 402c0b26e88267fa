"""Area under the ROC curve, for choosing an epoch. Evidence has its own, with intervals."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def auroc(positive: NDArray[np.bool_], scores: NDArray[np.floating]) -> float:
    """Return the share of (positive, negative) pairs in right order, ties counting half.

    Mann & Whitney (1947). NaN where a side is empty.
    """
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    ranks = rankdata(scores)
    above = ranks[positive].sum() - n_positive * (n_positive + 1) / 2
    return float(above / (n_positive * n_negative))


def mean_auroc(labels: NDArray[np.int64], logits: NDArray[np.floating]) -> float:
    """Return the AUROC of logits of shape (n, C); for C > 1 the mean of each class's.

    A class is ranked against the rest where labels are (n,) class numbers, and by itself where
    they are (n, C) of 0 and 1. Classes that all rows or none are of are left out of the mean.
    """
    if logits.shape[1] == 1:
        return auroc(labels == 1, logits[:, 0])
    columns = labels.T if labels.ndim == 2 else [labels == c for c in range(logits.shape[1])]
    each = [auroc(hot == 1, logits[:, c]) for c, hot in enumerate(columns)]
    known = [value for value in each if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
