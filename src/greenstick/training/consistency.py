"""Learn from images without a label: what a network is sure of holds however an image looks.

FixMatch (Sohn et al., NeurIPS 2020): a network's answer to an image as it is, where it is sure,
teaches its answer to the image strongly varied. The teacher here is the average of the weights,
where there is one, as in mean teachers (Tarvainen & Valpola, NeurIPS 2017).
"""

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from greenstick.training.predict import to_images
from greenstick.training.recipe import Augmentation, Recipe
from greenstick.training.samples import Batch, RowDataset, TrainingData
from greenstick.training.views import best_layout, draw_anew, look

#: Strong variation blanks squares of up to this share of the side at least.
_CUT_OUT = 0.3


class Consistency:
    """Batches of images without a label, and what they teach.

    Parameters
    ----------
    recipe
        ``unlabeled_share``, ``unlabeled_threshold`` and the augmentation are used.
    data
        Whose ``unlabeled`` rows are drawn.
    """

    def __init__(self, recipe: Recipe, data: TrainingData) -> None:
        assert data.unlabeled is not None
        self._strong = recipe.model_copy(update={"augmentation": strengthen(recipe.augmentation)})
        self._rows = RowDataset(data.store, data.unlabeled)

    def draw(self, labeled: int, seed: int) -> Batch:
        """Draw the images that go with a batch of labeled ones; one seed, one batch."""
        n = max(1, round(self._strong.unlabeled_share * labeled))
        rng = np.random.default_rng(seed)
        return self._rows.__getitems__(rng.choice(len(self._rows), n).tolist())

    def loss(
        self, model: nn.Module, teacher: nn.Module, batch: Batch, *, seed: int, small: bool
    ) -> Tensor:
        """Return the loss of a batch as of :meth:`draw`, on the model's device.

        Parameters
        ----------
        model, teacher
            Who learns, and who says what is to be learned; the teacher is put into evaluation
            mode where it is not the model.
        batch
            The images.
        seed
            Of the variation.
        small
            Whether images are of ``start_px``.
        """
        if teacher is not model:
            teacher.eval()
        with torch.no_grad():
            told = teacher(best_layout(to_images(batch.canvases))).logits.float()
        drawn = draw_anew(self._strong, batch.boxes, Generator().manual_seed(seed), small=small)
        seen = look(drawn, batch, self._strong, small=small)
        answer = model(seen.images).logits.float()
        one_of = self._strong.loss == "cross-entropy"
        return consistency_loss(told, answer, self._strong.unlabeled_threshold, one_of=one_of)


def learns_unlabeled(recipe: Recipe, data: TrainingData) -> bool:
    """Return whether a fit learns from images without a label too."""
    return recipe.unlabeled_weight > 0.0 and data.unlabeled is not None and len(data.unlabeled) > 0


def consistency_loss(told: Tensor, answer: Tensor, threshold: float, *, one_of: bool) -> Tensor:
    """Return the cross-entropy to what a teacher is sure of, a mean over all: the unsure count 0.

    Parameters
    ----------
    told, answer
        Logits (N, C) of the teacher and of the model.
    threshold
        A probability as high as this, or as low as what it leaves of 1, is sure.
    one_of
        Whether just one class holds (softmax) or each is a question of its own (sigmoid).
    """
    if one_of:
        highest, classes = torch.softmax(told, dim=1).max(dim=1)
        each = functional.cross_entropy(answer, classes, reduction="none")
        return (each * (highest >= threshold)).mean()
    said = torch.sigmoid(told)
    each = functional.binary_cross_entropy_with_logits(
        answer, (said > 0.5).float(), reduction="none"
    )
    return (each * (torch.maximum(said, 1.0 - said) >= threshold)).mean()


def strengthen(kind: Augmentation) -> Augmentation:
    """Return twice the variation of what is varied, and squares blanked out."""
    return kind.model_copy(
        update={
            "rotate_degrees": min(2.0 * kind.rotate_degrees, 180.0),
            "exposure": 2.0 * kind.exposure,
            "contrast": min(2.0 * kind.contrast, 0.9),
            "brightness": min(2.0 * kind.brightness, 0.5),
            "noise": min(2.0 * kind.noise, 1.0),
            "cut_out": max(kind.cut_out, _CUT_OUT),
        }
    )
