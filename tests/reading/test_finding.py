from pathlib import Path

import pydicom
import pytest
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage, generate_uid

from greenstick.errors import GreenstickError
from greenstick.radiographs.decoding import decoding
from greenstick.reading.finding import find_files, walk


def write_index(folder: Path, listed: list[list[str]]) -> Path:
    file = pydicom.Dataset()
    file.file_meta = pydicom.dataset.FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    file.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["index"])
    records = []
    for parts in listed:
        record = pydicom.Dataset()
        record.DirectoryRecordType = "IMAGE" if parts else "PATIENT"
        if parts:
            with decoding():
                record.ReferencedFileID = parts
        records.append(record)
    file.DirectoryRecordSequence = records
    with decoding():  # a part that leads out is none that the standard allows
        file.save_as(folder / "DICOMDIR", enforce_file_format=True)
    return folder / "DICOMDIR"


def test_an_index_stands_for_the_files_that_it_lists(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("im1", "IM2", "unlisted"):
        (tmp_path / "images" / name).write_bytes(b"x")
    (tmp_path / "secret").write_bytes(b"x")
    medium = tmp_path / "medium"
    medium.mkdir()
    (tmp_path / "images").rename(medium / "images")
    listed = [[], ["IMAGES", "IM1"], ["IMAGES", "IM2"], ["IMAGES", "GONE"], ["..", "secret"]]
    index = write_index(medium, listed)
    files = [str(path.relative_to(medium)) for path in find_files([index]).files]
    assert files == ["images/im1", "images/IM2", "images/GONE"]


def test_an_index_in_a_folder_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "film").write_bytes(b"x")
    write_index(tmp_path, [["FILM"]])
    assert [path.name for path in find_files([tmp_path]).files] == ["film"]


def test_a_broken_index_is_told(tmp_path: Path) -> None:
    index = write_index(tmp_path, [["FILM"]])
    index.write_bytes(index.read_bytes()[:300])
    found = find_files([index])
    assert not found.files
    assert found.unreadable[0][0] == index


def test_loops_of_links_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "film").write_bytes(b"x")
    (tmp_path / "a" / "back").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a" / "self")
    assert [path.name for path in find_files([tmp_path]).files] == ["film", "self"]


def test_files_come_one_by_one(tmp_path: Path) -> None:
    for n in range(5):
        (tmp_path / f"{n}").write_bytes(b"x")
    files = walk([tmp_path], [])
    assert next(files).name == "0"
    (tmp_path / "absent").unlink(missing_ok=True)
    with pytest.raises(GreenstickError, match="There is nothing at"):
        next(walk([tmp_path / "absent"], []))
