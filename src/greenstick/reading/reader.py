"""A model that reads files: opened, guarded, fitted, scored, calibrated, decided."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, starmap
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar, Unpack

import numpy as np
from numpy.typing import NDArray

from greenstick.decision.fusion import apply_fusion
from greenstick.errors import GreenstickError
from greenstick.explanation.activation_maps import Heatmap, heatmap
from greenstick.explanation.overlay import SHOWN_PX
from greenstick.findings import Severity
from greenstick.models.card import CARD, Card
from greenstick.models.familiar import FAMILIAR, read_familiar
from greenstick.radiographs.canvas import Placement
from greenstick.radiographs.dicom import BY_CHOICE
from greenstick.reading.ahead import in_order
from greenstick.reading.boxes import BoxFinder, Found, agreeing, hot_boxes
from greenstick.reading.fused import BOXES, FUSED, Fused
from greenstick.reading.guard import is_familiar
from greenstick.reading.judge import Judge
from greenstick.reading.options import ReaderOptions
from greenstick.reading.preparing import Prepared, Wish, prepare
from greenstick.reading.region import IS_IMAGE, REGION, Located, region_finder
from greenstick.reading.results import Box, Decision, Reading
from greenstick.reading.runtime import Output, network_files
from greenstick.reading.scoring import DetectorScorer, scorer_of
from greenstick.reading.workers import Workers

T = TypeVar("T")
#: Why a film is not read on which the part to be looked at is not found.
NOT_FOUND = "the part to be looked at is not found on it."


@dataclass(frozen=True, eq=False)
class Examination:
    """A reading with what a picture of it needs.

    Attributes
    ----------
    reading
        What the model says, or why it says nothing.
    pixels
        The radiograph, float32 of shape (height, width), at most as large as an overlay is drawn;
        None where it was not read, or no picture is wanted.
    heat
        The heat map; None where it was not read, or a detector answers by itself.
    """

    reading: Reading
    pixels: NDArray[np.float32] | None = None
    heat: Heatmap | None = None


class Reader:
    """Reads radiographs with one model, exactly as it was tested. Research use only.

    Parameters
    ----------
    folder
        A model folder (with ``card.json`` and ``model.onnx``), a run folder that holds one, or a
        detector's folder: its best box's score then gives the answer.
    isolated
        Whether files are decoded in processes that may be lost: slower to start, but no file can
        take this process down or all of its memory.
    tuned
        Whether to measure first how many films and threads a call is best given, for archives;
        see :mod:`greenstick.reading.pace`.
    options
        :class:`~greenstick.reading.options.ReaderOptions`: ``threads``, ``accept``,
        ``boxes_from``, ``region_from``, ``device``.

    Raises
    ------
    GreenstickError
        Where the folder holds no model, or several, or none that tells fractures, or brings a
        detector of its own, or needs one for its region, or a modality is not one to be chosen.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        isolated: bool = False,
        tuned: bool = False,
        **options: Unpack[ReaderOptions],
    ) -> None:
        accept, threads = tuple(options.get("accept", ())), options.get("threads", 0)
        boxes_from, region_from = options.get("boxes_from"), options.get("region_from")
        _check_modalities(accept)
        self.folder = find_model(Path(folder))
        self.threads = threads or os.cpu_count() or 1
        self.digest = digest_of(self.folder, boxes_from, region_from)
        self._scorer = scorer_of(
            self.folder,
            self.digest,
            boxes_from=boxes_from,
            threads=self.threads if tuned else threads,
            device=options.get("device", "cpu"),
            tuned=tuned,
        )
        self.card = self._scorer.card
        self._fused = Fused.read(self.folder)
        self._finder = _finder(self.folder, self._fused, boxes_from, threads)
        self._locator = region_finder(self.folder, self.card, region_from, threads=threads)
        self._judge = Judge(_decided_by(self.card, self._fused))
        point = self._judge.point
        self._threshold = None if point is None else point.threshold
        self._familiar = read_familiar(self.folder)
        boxes_px = self._finder.card.canvas_px if self._finder else 0
        wish = Wish(self.card.canvas_px, accept=accept, boxes_px=boxes_px)
        self._wishes = {False: wish, True: replace(wish, picture_px=SHOWN_PX[1])}
        self._workers = Workers(self.threads) if isolated else None

    def __call__(self, path: Path | str) -> Reading:
        """Read one file. Never raises because of what the file is: its reading says so."""
        return next(self.read_many([path]))

    def read_many(self, paths: Iterable[Path | str]) -> Iterator[Reading]:
        """Read files: one reading each, in their order. A file that cannot be read stops nothing.

        Some files ahead are decoded while the network computes; memory does not grow with the
        number of files, and ``paths`` may be endless.
        """
        return (examination.reading for examination in self.examine(paths, pictures=False))

    def examine(
        self, paths: Iterable[Path | str], *, pictures: bool = True
    ) -> Iterator[Examination]:
        """Read files as :meth:`read_many` does, with heat map and, if wanted, pixels to draw."""
        wish, files = self._wishes[pictures], map(Path, paths)
        if self._locator is None:
            prepared = self._ahead(partial(self._prepare, wish=wish), files)
        else:
            first = Wish(self._locator.canvas_px, accept=wish.accept)
            films = self._ahead(partial(self._prepare, wish=first), files)
            located = ((film, self._locate(film)) for film in films)
            prepared = self._ahead(partial(self._cut, wish=wish), located)
        return starmap(self._conclude, self._scored(prepared))

    def close(self) -> None:
        """End the processes that decode, where there are any."""
        if self._workers is not None:
            self._workers.close()

    def facts(self) -> dict[str, Any]:
        """Return what a list of readings should say of its model; plain values."""
        judge, calibration, known = self._judge, self.card.calibration, self._familiar
        point, finder = judge.point, self._finder
        answer = None
        if isinstance(self._scorer, DetectorScorer):
            finder, answer = self._scorer.finder, self._scorer.finder.card.answer
        return {
            "name": self.card.name,
            "backbone": self.card.backbone,
            "canvas_px": self.card.canvas_px,
            "flip_average": self.card.flip_average,
            "temperature": judge.temperature,
            "temperature_fitted_on": calibration.fitted_on if calibration else "",
            "threshold": point.threshold if point else None,
            "threshold_rule": point.rule if point else "",
            "threshold_chosen_on": point.chosen_on if point else "",
            "doubt_from": judge.doubt_from,
            "fracture_from": judge.fracture_from,
            "familiar_false_alarms": known.false_alarms if known else None,
            "familiar_chosen_on": known.chosen_on if known else "",
            "region_from": self._locator.name if self._locator else "",
            "detector": finder.card.name if finder else "",
            "detector_confidence": finder.confidence if finder else None,
            "detector_confidence_chosen_on": finder.chosen_on if finder else "",
            "detector_slope": answer.slope if answer else None,
            "detector_intercept": answer.intercept if answer else None,
            "fusion_fitted_on": self._fused.fusion.fitted_on if self._fused else "",
            "digest": self.digest,
        }

    def _ahead(self, function: Callable[[T], Prepared], items: Iterable[T]) -> Iterator[Prepared]:
        return in_order(function, items, threads=self.threads, name="greenstick-decode")

    def _prepare(self, path: Path, wish: Wish) -> Prepared:
        return prepare(path, wish) if self._workers is None else self._workers.prepare(path, wish)

    def _locate(self, film: Prepared) -> Located:
        if film.canvas is None or film.placement is None:
            return Located(None)
        assert self._locator is not None
        return self._locator(film.canvas, film.placement.original_size_px)

    def _cut(self, given: tuple[Prepared, Located], wish: Wish) -> Prepared:
        """Prepare a film again, now the part that is to be looked at."""
        film, located = given
        if film.canvas is None:
            return film
        if located.region is None:
            reason = f"{film.path.name}: {NOT_FOUND}"
            return replace(film, reason=reason, canvas=None, placement=None)
        cut = self._prepare(film.path, replace(wish, region=located.region))
        notes = (*cut.warnings, located.note) if located.note else cut.warnings
        return replace(cut, warnings=notes, seconds=film.seconds + cut.seconds)

    def _conclude(self, prepared: Prepared, output: Output | None, seconds: float) -> Examination:
        if output is None or prepared.placement is None:
            return Examination(self._not_read(prepared, prepared.reason))
        start = perf_counter() - seconds
        familiar = is_familiar(self._familiar, None if output.look is None else output.look[0])
        if familiar.severity is Severity.ERROR:
            reason = f"{prepared.path.name}: {familiar.message}"
            return Examination(self._not_read(prepared, reason))
        strange = (familiar.message,) if familiar.severity is Severity.WARNING else ()
        reading, heat = self._say(prepared, output, prepared.placement)
        reading = replace(
            reading,
            warnings=(*prepared.warnings, *strange, *reading.warnings),
            seconds=round(prepared.seconds + perf_counter() - start, 4),
        )
        picture = prepared.picture
        pixels = None if picture is None else picture.astype(np.float32) / np.float32(255.0)
        return Examination(reading, pixels, heat)

    def _say(
        self, prepared: Prepared, output: Output, placement: Placement
    ) -> tuple[Reading, Heatmap | None]:
        """Return what is said of a film, and the heat map behind it, where there is one."""
        value, cells, spread = self._judge.of_one(output)
        found = self._find(prepared, output)
        classes = self._judge.of_classes(output)
        judged = self._judge.judge(value, spread, self._fusing(found), classes)
        temperature = self._judge.temperature
        heat = heatmap(cells, placement, temperature=temperature) if cells.size else None
        boxes, disagree = self._boxes(judged.decision, found, heat)
        width, height = placement.original_size_px
        reading = Reading(
            path=str(prepared.path),
            status="read",
            warnings=disagree,
            probability=judged.probability,
            classes=classes,
            low=judged.low,
            high=judged.high,
            decision=judged.decision,
            threshold=self._threshold,
            boxes=boxes,
            best_box=None if found is None else found.best,
            model=self.card.name,
            model_digest=self.digest,
            peak_x=None if heat is None else round(heat.peak[0], 1),
            peak_y=None if heat is None else round(heat.peak[1], 1),
            width=width,
            height=height,
            region=placement.region if self.card.region else None,
            decoder=prepared.decoder,
            checksum=prepared.checksum,
        )
        return reading, heat

    def _boxes(
        self, decision: Decision | None, found: Found | None, heat: Heatmap | None
    ) -> tuple[tuple[Box, ...], tuple[str, ...]]:
        """Return the boxes to show, a detector's or the heat map's, and what to know of them."""
        if found is not None:
            return agreeing(decision, found, alone=heat is None)
        assert heat is not None
        return hot_boxes(decision, heat, self._threshold, self.card.box_limits), ()

    def _scored(
        self, prepared: Iterator[Prepared]
    ) -> Iterator[tuple[Prepared, Output | None, float]]:
        """Yield films with what the network says of them, and its seconds for each."""
        while some := list(islice(prepared, self._scorer.films)):
            start = perf_counter()
            films = ((film.canvas, film.placement) for film in some)
            outputs = self._scorer.score([(c, p) for c, p in films if c is not None and p])
            seconds = (perf_counter() - start) / max(1, len(outputs))
            said = iter(outputs)
            for film in some:
                yield film, None if film.canvas is None else next(said), seconds

    def _find(self, prepared: Prepared, output: Output) -> Found | None:
        if output.found is not None and isinstance(self._scorer, DetectorScorer):
            return self._scorer.finder.shown(output.found)
        if self._finder is None:
            return None
        assert prepared.boxes_canvas is not None
        assert prepared.placement is not None
        return self._finder(prepared.boxes_canvas, prepared.placement.original_size_px)

    def _fusing(self, found: Found | None) -> Callable[[float], float] | None:
        if self._fused is None or found is None:
            return None
        fusion, best = self._fused.fusion, found.best
        return lambda probability: float(apply_fusion(fusion, [probability], [best])[0])

    def _not_read(self, prepared: Prepared, reason: str) -> Reading:
        return Reading(
            path=str(prepared.path),
            status="not read",
            reason=reason,
            model=self.card.name,
            model_digest=self.digest,
            checksum=prepared.checksum,
            seconds=round(prepared.seconds, 4),
        )


def find_model(folder: Path) -> Path:
    """Return the model folder that a model or run folder means.

    Raises
    ------
    GreenstickError
        Where there is none, or more than one.
    """
    if (folder / CARD).is_file():
        return folder
    models = sorted(card.parent for card in folder.glob(f"models/*/{CARD}"))
    if len(models) == 1:
        return models[0]
    joint = folder / "models" / "ensemble"  # what all folds or seeds of an experiment make together
    if joint in models:
        return joint
    if not models:
        raise GreenstickError(
            f"There is no model in {folder}.",
            remedy="Give a finished run folder, or a folder with model.onnx and card.json.",
        )
    raise GreenstickError(
        f"{folder} holds {len(models)} models.", remedy=f"Give one of them, e.g. {models[0]}."
    )


def digest_of(
    folder: Path, boxes_from: Path | str | None = None, region_from: Path | str | None = None
) -> str:
    """Return a digest of all that a model's answers depend on: equal digests, equal readings."""
    digest = hashlib.blake2b(digest_size=16)
    place = folder / REGION if region_from is None else Path(region_from)
    boxes = folder / BOXES if boxes_from is None else Path(boxes_from)
    network, *weights = network_files(folder)
    own = [network, folder / CARD, folder / FAMILIAR]
    others = [*weights, folder / FUSED, *network_files(boxes), boxes / CARD]
    others += [*network_files(place), place / CARD]
    if region_from is not None:  # the same detector may show boxes instead
        digest.update((IS_IMAGE if region_from == IS_IMAGE else REGION).encode())
    for path in (*own, *(path for path in others if path.is_file())):
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def _finder(
    folder: Path, fused: Fused | None, boxes_from: Path | str | None, threads: int
) -> BoxFinder | None:
    if fused is None:  # a detector by itself was told of a second one already
        return None if boxes_from is None else BoxFinder(boxes_from, threads=threads)
    if boxes_from is not None:
        raise GreenstickError(
            f"{folder} brings the detector {fused.detector!r}, with which it was fused.",
            remedy="Leave --boxes-from out, or give the classifier by itself.",
        )
    return BoxFinder(folder / BOXES, threads=threads)


def _decided_by(card: Card, fused: Fused | None) -> Card:
    """Return the card with the thresholds that hold for the fused probability, where it is."""
    if fused is None:
        return card
    return card.model_copy(update={"operating_points": fused.operating_points})


def _check_modalities(accept: Sequence[str]) -> None:
    strange = [name for name in accept if name not in BY_CHOICE]
    if strange:
        raise GreenstickError(
            f"{strange[0]} is no modality that can be chosen.",
            remedy=f"Choose of {', '.join(BY_CHOICE)}.",
        )
