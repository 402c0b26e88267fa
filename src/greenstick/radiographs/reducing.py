"""How much smaller a file may be decoded, and what that does to its picture."""

from greenstick.radiographs.radiograph import WHOLE, Reduction

#: A reduced picture keeps 1.6 times the pixels a side that are asked for: nearer to what is asked
#: for, its coarse sampling moves a network's answer (docs/reading.md).
_MARGIN = 1.6
#: libjpeg decodes at 1/2, 1/4 and 1/8.
JPEG_HALVINGS = 3
#: After n halvings fine structure is boosted by c (1 - 1/4^n), since each halving adds a quarter
#: of what the next one does. The c of both wavelets of JPEG 2000 and of libjpeg's shortened
#: transform, fitted by least squares on two real CR films; theory says 1/12 and -0.077 for the
#: wavelets' low-pass filters alone.
_REVERSIBLE, _IRREVERSIBLE, _JPEG = 0.08, -0.06, -0.045


def halvings(size_px: tuple[int, int], at_least_px: int | None, *, most: int) -> int:
    """Return how often a size (width, height) may be halved.

    Parameters
    ----------
    at_least_px
        The longer side that is asked for; None: all of it.
    most
        How often the decoder can.
    """
    longer = max(size_px)
    wanted = longer if at_least_px is None else max(1.0, _MARGIN * at_least_px)
    return next((n for n in range(most, 0, -1) if longer >> n >= wanted), 0)


def jpeg_reduction(times: int) -> Reduction:
    """Return what libjpeg does at a size halved so often: each pixel stands for a block."""
    factor = 2**times
    return Reduction(factor, factor / 2, _boost(_JPEG, times)) if times else WHOLE


def wavelet_reduction(times: int, *, reversible: bool) -> Reduction:
    """Return what the low band of JPEG 2000's wavelets is: 5/3 (reversible) or 9/7."""
    return Reduction(2**times, 0.5, _boost(_REVERSIBLE if reversible else _IRREVERSIBLE, times))


def _boost(limit: float, times: int) -> float:
    return limit * (1.0 - 0.25**times)
