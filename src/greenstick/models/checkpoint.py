"""A checkpoint: a folder that is all a reader needs.

``model.safetensors`` (weights), ``model.onnx`` (the same network for any runtime) and
``card.json`` (what the network is, what it expects, how its output becomes a decision). An
ensemble is one checkpoint too.
"""

from collections.abc import Sequence
from pathlib import Path

from greenstick.models.card import Card, CardMember, read_card
from greenstick.models.classifier import Classifier, empty_classifier
from greenstick.models.ensemble import Ensemble
from greenstick.models.parts import WEIGHTS, facts_of, fill_weights, portable, write_checkpoint


def save_checkpoint(
    folder: Path | str, model: Classifier | Ensemble, card: Card, *, onnx: bool = True
) -> Path:
    """Write a checkpoint folder; see :func:`~greenstick.models.parts.write_checkpoint`.

    Parameters
    ----------
    folder
        Made where it is missing.
    model, card
        What to write. What the card says of the network itself is taken from the model.
    onnx
        Whether to export ``model.onnx`` too (some seconds).

    Returns
    -------
    folder
    """
    card = card.model_copy(update=_facts(model, card))
    return write_checkpoint(folder, model, card, onnx_px=card.canvas_px if onnx else None)


def save_ensemble(
    folder: Path | str, members: Sequence[Classifier], card: Card, *, onnx: bool = True
) -> Path:
    """Write classifiers that answer as one as a checkpoint folder; see :func:`save_checkpoint`.

    Parameters
    ----------
    members
        Two or more, of the same classes, trained on canvases of ``card.canvas_px``.
    card
        Of the whole. Names of its ``members`` are kept where there is one for each; the members
        are otherwise numbered. Calibration and operating points are the ensemble's own.

    Raises
    ------
    GreenstickError
        Where the members are fewer, or of different classes.
    """
    return save_checkpoint(folder, Ensemble(members), card, onnx=onnx)


def load_checkpoint(folder: Path | str) -> tuple[Classifier | Ensemble, Card]:
    """Load a checkpoint's network (in evaluation mode, on the CPU) and its card.

    Raises
    ------
    GreenstickError
        Where the folder holds no checkpoint, or its parts do not belong together.
    """
    folder = Path(folder)
    card = read_card(folder)
    model = _empty(card)
    fill_weights(model, folder / WEIGHTS)
    return model.eval(), card


def _empty(card: Card) -> Classifier | Ensemble:
    if not card.members:
        return empty_classifier(card.classifier, origin=card.weights_origin)
    return Ensemble(
        [empty_classifier(each.classifier, origin=each.weights_origin) for each in card.members]
    )


def _facts(model: Classifier | Ensemble, card: Card) -> dict[str, object]:
    first = model.classifiers[0] if isinstance(model, Ensemble) else model
    return {
        "classifier": portable(first.settings),
        "members": _members(model, card) if isinstance(model, Ensemble) else (),
        **facts_of(first, card.weights_origin),
    }


def _members(model: Ensemble, card: Card) -> tuple[CardMember, ...]:
    members = model.classifiers
    names = [member.name for member in card.members]
    if len(names) != len(members):
        names = [str(number + 1) for number in range(len(members))]
    return tuple(
        CardMember(name=name, classifier=portable(member.settings), weights_origin=member.origin)
        for name, member in zip(names, members, strict=True)
    )
