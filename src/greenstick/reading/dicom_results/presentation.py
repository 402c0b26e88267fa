"""Marks to be drawn over the image itself: a grayscale softcopy presentation state."""

from collections.abc import Sequence

from highdicom import PresentationLUTTransformation
from highdicom.pr import (
    GraphicAnnotation,
    GraphicLayer,
    GraphicObject,
    GrayscaleSoftcopyPresentationState,
    TextObject,
)
from pydicom.dataset import Dataset

from greenstick import RESEARCH_USE
from greenstick.reading.dicom_results.frame import Frame
from greenstick.reading.dicom_results.marks import Mark
from greenstick.reading.results import Reading

#: Left, top, right, bottom of the words, as shares of the display.
_WORDS_AT = (0.0, 0.0, 1.0, 0.06)


def presentation(frame: Frame, reading: Reading, marks: Sequence[Mark]) -> Dataset:
    """Make a presentation state: the image shown as its file says, with marks and words on it."""
    image = frame.source.image
    layer = GraphicLayer("GREENSTICK", order=1, description="What the model points at")
    words = TextObject(
        _words(reading), units="DISPLAY", bounding_box=_WORDS_AT, text_justification="LEFT"
    )
    graphics = [GraphicObject(mark.graphic, mark.points, units="PIXEL") for mark in marks]
    inverted = image.PhotometricInterpretation == "MONOCHROME1"
    made = GrayscaleSoftcopyPresentationState(
        referenced_images=[image],
        content_label="GREENSTICK",
        content_description="Marks by a model. Research use only.",
        graphic_layers=[layer],
        graphic_annotations=[
            GraphicAnnotation(
                [image], layer, graphic_objects=graphics or None, text_objects=[words]
            )
        ],
        presentation_lut_transformation=PresentationLUTTransformation(
            presentation_lut_shape="INVERSE" if inverted else "IDENTITY"
        ),
        **frame.instance("pr"),
    )
    return frame.finish(made)


def _words(reading: Reading) -> str:
    assert reading.probability is not None
    decided = f"{reading.decision}, " if reading.decision else ""
    said = f"Model: {decided}probability {reading.probability:.3f}. {RESEARCH_USE}"
    return " ".join((said, *(f"Warning: {words}" for words in reading.warnings)))[:1000]
