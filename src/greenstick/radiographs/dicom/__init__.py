"""DICOM files of projection radiographs.

``film.py`` opens one; ``file.py`` takes it apart, ``pixels.py`` decodes what ``codestreams.py``
tells of, ``windowing.py`` and ``shutter.py`` show it as a display would, and ``elements.py`` says
what the file tells of the patient's limb.
"""

from greenstick.radiographs.dicom.film import BY_CHOICE, RADIOGRAPHS, open_dicom

__all__ = ["BY_CHOICE", "RADIOGRAPHS", "open_dicom"]
