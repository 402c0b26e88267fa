"""Our decoders against pydicom's, on its own test files and on files made here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import uid
from pydicom.data import get_testdata_file
from pydicom.encaps import encapsulate, generate_frames

from greenstick.errors import GreenstickError
from greenstick.radiographs.canvas import fit
from greenstick.radiographs.decoding import decoding
from greenstick.radiographs.dicom import open_dicom
from greenstick.radiographs.dicom.file import open_file
from greenstick.radiographs.dicom.pixels import Decoded, decode

Writer = Callable[..., Path]
Values = NDArray[Any]


def decoded(path: Path, at_least_px: int | None = None) -> Decoded:
    with decoding(), open_file(path) as file:
        found = decode(file, at_least_px=at_least_px)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "name",
    [
        "693_J2KI.dcm", "CT_small.dcm", "J2K_pixelrep_mismatch.dcm", "JPEG2000.dcm",
        "JPEGLSNearLossless_08.dcm",
        "JPEGLSNearLossless_16.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm",
        "MR_small_expb.dcm", "MR_small_implicit.dcm", "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm", "MR_small_padded.dcm", "image_dfl.dcm",
        "rtdose_1frame.dcm", "rtdose_rle_1frame.dcm", "liver_expb_1frame.dcm",
    ],
)  # fmt: skip
def test_pydicom_decodes_to_the_same(name: str) -> None:
    path = get_testdata_file(name, download=False)
    if path is None:
        pytest.skip("this pydicom came without the file")
    with decoding():
        expected = pydicom.dcmread(path).pixel_array
    np.testing.assert_array_equal(decoded(Path(path)).values, expected)


@pytest.fixture
def twelve_bits() -> Values:
    """Return a smooth 12-bit picture of odd sides, 301 x 243 (height x width)."""
    rows, columns = np.mgrid[0:301, 0:243]
    waves = np.sin(rows / 9.0) * np.cos(columns / 13.0) + rows / 301.0
    return (2047 + 1000 * waves).astype(np.uint16)


def lossless_j2k(values: Values) -> bytes:
    coded = imagecodecs.jpeg2k_encode(
        values, 0, reversible=True, codecformat="j2k", bitspersample=12
    )
    return bytes(coded)


LOSSLESS: dict[str, tuple[uid.UID, Callable[[Values], bytes], str]] = {
    "JPEG 2000": (uid.JPEG2000Lossless, lossless_j2k, "OpenJPEG"),
    "HTJ2K": (
        uid.HTJ2KLossless,
        lambda values: bytes(imagecodecs.htj2k_encode(values, reversible=True)),
        "OpenJPEG",
    ),
    "JPEG-LS": (
        uid.JPEGLSLossless,
        lambda values: bytes(imagecodecs.jpegls_encode(values)),
        "CharLS",
    ),
    "lossless JPEG": (
        uid.JPEGLosslessSV1,
        lambda values: bytes(
            imagecodecs.jpeg8_encode(values, lossless=True, predictor=1, bitspersample=12)
        ),
        "libjpeg-turbo",
    ),
    "another predictor": (
        uid.JPEGLossless,
        lambda values: bytes(
            imagecodecs.jpeg8_encode(values, lossless=True, predictor=6, bitspersample=12)
        ),
        "libjpeg-turbo",
    ),
}


def write_coded(write_dicom: Writer, values: Values, syntax: uid.UID, frame: bytes) -> Path:
    path = write_dicom(values, BitsStored=12, HighBit=11, WindowCenter="2048", WindowWidth="4096")
    file = pydicom.dcmread(path)
    file.file_meta.TransferSyntaxUID = syntax
    file.PixelData = encapsulate([frame])
    file["PixelData"].VR, file["PixelData"].is_undefined_length = "OB", True
    file.save_as(path)
    return path


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_codings_give_every_value_back_and_name_the_decoder(
    name: str, twelve_bits: Values, write_dicom: Writer
) -> None:
    syntax, encode, decoder = LOSSLESS[name]
    path = write_coded(write_dicom, twelve_bits, syntax, encode(twelve_bits))
    np.testing.assert_array_equal(decoded(path).values, twelve_bits)
    assert open_dicom(path).decoder.startswith(decoder)


@pytest.mark.parametrize("name", LOSSLESS)
def test_a_frame_cut_anywhere_is_refused(
    name: str, twelve_bits: Values, write_dicom: Writer
) -> None:
    syntax, encode, _ = LOSSLESS[name]
    frame = encode(twelve_bits)
    for share in (0.02, 0.3, 0.7, 0.98):
        cut = frame[: int(len(frame) * share)]
        for end in (b"", b"\xff\xd9"):  # and where somebody closed it again
            path = write_coded(write_dicom, twelve_bits, syntax, cut + end)
            with pytest.raises(GreenstickError, match="does not decode to its last row"):
                open_dicom(path)


def test_a_frame_of_another_size_is_refused(twelve_bits: Values, write_dicom: Writer) -> None:
    frame = lossless_j2k(np.tile(twelve_bits, (2, 2)))
    path = write_coded(write_dicom, twelve_bits, uid.JPEG2000Lossless, frame)
    with pytest.raises(GreenstickError, match="does not decode"):
        open_dicom(path)


@pytest.mark.parametrize("name", ["JPEG 2000", "HTJ2K"])
@pytest.mark.parametrize(("wanted", "factor"), [(400, 1), (94, 1), (93, 2), (46, 4), (23, 8)])
def test_reduced_pictures_show_the_same(
    name: str, wanted: int, factor: int, twelve_bits: Values, write_dicom: Writer
) -> None:
    syntax, encode, _ = LOSSLESS[name]
    path = write_coded(write_dicom, twelve_bits, syntax, encode(twelve_bits))
    found = open_dicom(path, wanted)
    assert found.original_size_px == (243, 301)
    assert found.pixels.shape == (-(-301 // factor), -(-243 // factor))
    assert max(found.pixels.shape) >= min(1.6 * wanted, 301)
    assert found.decoder.endswith(f"1/{factor}") is (factor > 1)
    every = open_dicom(path).pixels[::factor, ::factor]  # a wavelet's low band lies on even samples
    assert np.abs(found.pixels - every).max() < 0.03


@pytest.mark.parametrize("name", ["JPEG 2000", "HTJ2K"])
def test_a_reduced_picture_lies_on_the_canvas_where_the_whole_one_does(
    name: str, twelve_bits: Values, write_dicom: Writer
) -> None:
    syntax, encode, _ = LOSSLESS[name]
    path = write_coded(write_dicom, twelve_bits, syntax, encode(twelve_bits))
    whole, _ = fit(open_dicom(path), 46)
    reduced, _ = fit(open_dicom(path, 46), 46)
    assert open_dicom(path, 46).reduction.factor == 4
    shifted = np.roll(whole, 1, axis=0)
    difference = np.abs(reduced.astype(int) - whole)[1:-1]
    assert difference.mean() < 0.1 * np.abs(shifted.astype(int) - whole)[1:-1].mean()


def test_without_a_window_every_value_counts_and_nothing_is_reduced(
    twelve_bits: Values, write_dicom: Writer
) -> None:
    path = write_coded(write_dicom, twelve_bits, uid.JPEG2000Lossless, lossless_j2k(twelve_bits))
    for keyword, kind, value in (("PixelPaddingValue", "US", 0), ("WindowWidth", "DS", None)):
        file = pydicom.dcmread(path)
        file.add_new(keyword, kind, value)
        file.save_as(path)
        assert open_dicom(path, 40).pixels.shape == (301, 243)


def test_baseline_jpeg_is_reduced_by_its_own_transform(write_dicom: Writer, film: Values) -> None:
    large = np.kron(film, np.ones((4, 4), np.uint8))
    frame = bytes(imagecodecs.jpeg8_encode(large, level=92))
    path = write_dicom(large, WindowCenter="128", WindowWidth="256")
    file = pydicom.dcmread(path)
    file.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    file.PixelData = encapsulate([frame])
    file["PixelData"].is_undefined_length = True
    file.save_as(path)
    whole, half = open_dicom(path), open_dicom(path, 120)
    assert whole.decoder == "libjpeg-turbo (Pillow)"
    assert half.decoder == "libjpeg-turbo (Pillow), 1/2"
    assert half.pixels.shape == (192, 128)
    means = whole.pixels.reshape(192, 2, 128, 2).mean(axis=(1, 3))
    assert np.abs(half.pixels - means).mean() < 0.01
    with Image.open(write_frame(path.with_suffix(".jpg"), frame)) as picture:
        np.testing.assert_allclose(whole.pixels, np.asarray(picture) / 255.0, atol=0.004)


def write_frame(path: Path, frame: bytes) -> Path:
    path.write_bytes(frame)
    return path


def test_extended_jpeg_of_12_bits(twelve_bits: Values, write_dicom: Writer) -> None:
    frame = bytes(imagecodecs.jpeg8_encode(twelve_bits, level=98, bitspersample=12))
    path = write_coded(write_dicom, twelve_bits, uid.JPEGExtended12Bit, frame)
    difference = decoded(path).values.astype(int) - twelve_bits
    assert np.abs(difference).max() < 40
    middle = len(frame) // 2
    path = write_coded(
        write_dicom, twelve_bits, uid.JPEGExtended12Bit, frame[:middle] + b"\xff\xd9"
    )
    with pytest.raises(GreenstickError, match="does not decode"):
        open_dicom(path)


def test_signed_values_come_back_signed(write_dicom: Writer, twelve_bits: Values) -> None:
    signed = twelve_bits.astype(np.int16) - 2048
    for name, frame in (
        ("JPEG 2000", lossless_j2k(signed)),
        ("JPEG-LS", bytes(imagecodecs.jpegls_encode((signed & 4095).astype(np.uint16)))),
    ):
        path = write_coded(write_dicom, signed, LOSSLESS[name][0], frame)
        values = decoded(path).values
        np.testing.assert_array_equal(values, signed, err_msg=name)


def test_a_signed_image_is_reduced_alike(write_dicom: Writer, twelve_bits: Values) -> None:
    signed = twelve_bits.astype(np.int16) - 2048
    path = write_coded(write_dicom, signed, uid.JPEG2000Lossless, lossless_j2k(signed))
    half = decoded(path, 90)
    assert half.reduction.factor == 2
    assert np.abs(half.values - signed[::2, ::2]).max() < 60


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [10, 11, 12, 14, 15, 16])
def test_bits_beside_the_image_are_ignored(bits: int, signed: bool, write_dicom: Writer) -> None:
    image = np.random.default_rng(bits).integers(0, 2**bits, (40, 30)).astype(np.uint16)
    image -= np.uint16(2 ** (bits - 1)) if signed else np.uint16(0)
    stored = image & np.uint16(2**bits - 1)
    if bits < 16:
        stored[::3] |= np.uint16(1 << 15)  # an overlay in the highest bit
    path = write_dicom(stored, BitsStored=bits, HighBit=bits - 1, PixelRepresentation=int(signed))
    expected = image.view(np.int16) if signed else image
    np.testing.assert_array_equal(decoded(path).values, expected)


def test_an_image_in_the_high_bits_is_moved_down(write_dicom: Writer) -> None:
    image = np.random.default_rng(1).integers(0, 4096, (40, 30)).astype(np.uint16)
    path = write_dicom(image << np.uint16(4), BitsStored=12, HighBit=15)
    np.testing.assert_array_equal(decoded(path).values, image)


@pytest.mark.parametrize("header", [(2, 64, 4_000_000_000), (2, 64, 10), (3, 64, 900), (2, 0, 900)])
def test_segments_outside_the_frame_are_refused(
    header: tuple[int, ...], twelve_bits: Values, write_dicom: Writer
) -> None:
    # imagecodecs would read beyond the frame, and take the process down.
    path = write_dicom(twelve_bits, BitsStored=12, HighBit=11)
    file = pydicom.dcmread(path)
    file.compress(uid.RLELossless, encoding_plugin="pydicom")
    file.save_as(path)
    np.testing.assert_array_equal(decoded(path).values, twelve_bits)
    frame = next(generate_frames(file.PixelData, number_of_frames=1))
    broken = np.array([*header, *[0] * (16 - len(header))], "<u4").tobytes() + frame[64:]
    path.write_bytes(path.read_bytes().replace(frame, broken))
    with pytest.raises(GreenstickError, match="does not decode"):
        open_dicom(path)
