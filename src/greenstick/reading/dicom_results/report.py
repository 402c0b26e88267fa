"""The reading as a structured report: TID 1500, Measurement Report."""

from collections.abc import Sequence

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import (
    AlgorithmIdentification,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    ImageRegion,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from greenstick import RESEARCH_USE, __version__
from greenstick.reading.dicom_results.frame import MANUFACTURER, Frame
from greenstick.reading.dicom_results.marks import Mark
from greenstick.reading.results import Decision, Reading

_SCHEME = "99GREENSTICK"
FRACTURE = Code("125605004", "SCT", "Fracture of bone")
#: The standard has no codes for what a model decides: 'absent' would be said of the bone.
PROBABILITY = Code("probability", _SCHEME, "Probability of a fracture")
DECISION = Code("decision", _SCHEME, "Decision of the model at its threshold")
LOW = Code("low", _SCHEME, "Probability, a deviation of the ensemble below")
HIGH = Code("high", _SCHEME, "Probability, a deviation of the ensemble above")
THRESHOLD = Code("threshold", _SCHEME, "Threshold of the decision")
HEAT = Code("heat", _SCHEME, "Greatest probability of the heat map within")
BOX = Code("box", _SCHEME, "Score that the detector gives to the region")
DECISIONS: dict[Decision, Code] = {
    "fracture": Code("fracture", _SCHEME, "Probability of a fracture reaches the threshold"),
    "doubt": Code("doubt", _SCHEME, "Probability of a fracture between the two thresholds"),
    "no fracture": Code("no-fracture", _SCHEME, "Probability of a fracture below the threshold"),
}


def report(frame: Frame, reading: Reading, marks: Sequence[Mark]) -> Dataset:
    """Make the structured report of a film that was read.

    Parameters
    ----------
    frame
        Source, model and time.
    reading
        The reading; it must have a probability.
    marks
        Where to point.
    """
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=_observer(frame)),
        procedure_reported=codes.cid100.XRUnspecifiedBodyRegion,
        imaging_measurements=[
            _whole(frame, reading),
            *(_part(frame, reading, mark) for mark in marks),
        ],
    )
    for words in (RESEARCH_USE, *reading.warnings):
        content[0].ContentSequence.append(
            TextContentItem(codes.DCM.Comment, words, RelationshipTypeValues.CONTAINS)
        )
    made = ComprehensiveSR(
        evidence=[frame.source.image],
        content=content,
        is_complete=True,
        coding_schemes=[CodingSchemeIdentificationItem(_SCHEME, name="Greenstick")],
        **frame.instance("sr"),
    )
    return frame.finish(made)


def _observer(frame: Frame) -> ObserverContext:
    model = str(frame.model["name"])
    device = DeviceObserverIdentifyingAttributes(
        uid=frame.uid("device"),
        name=model,
        manufacturer_name=MANUFACTURER,
        model_name=model,
        serial_number=str(frame.model["digest"]),
    )
    return ObserverContext(codes.DCM.Device, device)


def _whole(frame: Frame, reading: Reading) -> MeasurementsAndQualitativeEvaluations:
    """Return what is said of the whole film: probability, threshold, decision."""
    said = {PROBABILITY: reading.probability, LOW: reading.low, HIGH: reading.high}
    decided = []
    if reading.decision is not None:
        said[THRESHOLD] = reading.threshold
        decided.append(QualitativeEvaluation(DECISION, DECISIONS[reading.decision]))
    image = frame.source.image
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(frame.uid("whole", frame.source.uid), "Film"),
        finding_type=_finding(reading),
        algorithm_id=_algorithm(frame),
        measurements=[_number(name, value) for name, value in said.items() if value is not None],
        qualitative_evaluations=decided,
        source_images=[SourceImageForMeasurementGroup(image.SOPClassUID, image.SOPInstanceUID)],
    )


def _part(
    frame: Frame, reading: Reading, mark: Mark
) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    image = frame.source.image
    what = HEAT if reading.best_box is None else BOX
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            frame.uid(mark.name, frame.source.uid), identifier=mark.name
        ),
        referenced_region=ImageRegion(
            mark.graphic,
            mark.points,
            SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID),
        ),
        finding_type=_finding(reading),
        algorithm_id=_algorithm(frame),
        measurements=[] if mark.probability is None else [_number(what, mark.probability)],
    )


def _finding(reading: Reading) -> Code | None:
    """Return the finding; None unless a fracture is decided, since a finding is an assertion."""
    return FRACTURE if reading.decision == "fracture" else None


def _number(name: Code, value: float) -> Measurement:
    return Measurement(name, round(value, 6), codes.UCUM.NoUnits)


def _algorithm(frame: Frame) -> AlgorithmIdentification:
    model = frame.model
    return AlgorithmIdentification(
        name=str(model["name"]),
        version=__version__,
        manufacturer=MANUFACTURER,
        parameters=[
            f"checksum: {model['digest']}",
            f"backbone: {model['backbone']}",
            f"temperature: {model['temperature']}, fitted on {model['temperature_fitted_on']}",
            f"threshold: {model['threshold']}, {model['threshold_rule']}, "
            f"chosen on {model['threshold_chosen_on']}",
            *_detector(frame),
        ],
    )


def _detector(frame: Frame) -> list[str]:
    model = frame.model
    if not model.get("detector"):
        return []
    shown = f"boxes of {model['detector']} from {model['detector_confidence']:.4g}, "
    return [shown + f"chosen on {model['detector_confidence_chosen_on']}"]
