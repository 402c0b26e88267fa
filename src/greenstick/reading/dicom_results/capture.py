"""The overlay picture as a secondary capture, for archives and viewers that know nothing else."""

import numpy as np
from highdicom import CoordinateSystemNames
from highdicom.sc import SCImage
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from greenstick.reading.dicom_results.frame import Frame
from greenstick.reading.dicom_results.source import INHERITED


def capture(frame: Frame, picture: Image.Image) -> Dataset:
    """Make a secondary capture of a picture, RGB of 8 bits, with its notice in the pixels.

    It refers to the image that was read, and is marked as lossy where that one was.
    """
    made = SCImage(
        np.asarray(picture.convert("RGB")),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system=CoordinateSystemNames.PATIENT,
        patient_orientation=("L", "F"),  # highdicom wants one; the film's own comes below
        study_instance_uid=frame.source.image.StudyInstanceUID,
        **frame.instance("sc"),
    )
    image = frame.source.image
    made.PatientOrientation = image.get("PatientOrientation")
    for keyword in INHERITED:
        if keyword in image:
            made[keyword] = image[keyword]
    side = image.get("ImageLaterality") or image.get("Laterality")
    if side in ("L", "R", "B", "U"):
        made.ImageLaterality = side
    reference = Dataset()
    reference.ReferencedSOPClassUID = image.SOPClassUID
    reference.ReferencedSOPInstanceUID = image.SOPInstanceUID
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "121322", "DCM"
    purpose.CodeMeaning = codes.DCM.SourceImageForImageProcessingOperation.meaning
    reference.PurposeOfReferenceCodeSequence = [purpose]
    made.SourceImageSequence = [reference]
    return frame.finish(made)
