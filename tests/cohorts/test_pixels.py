import multiprocessing
import os
import pickle
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from greenstick.cohorts import pixels
from greenstick.cohorts.pixels import default_cache, open_pixel_store
from greenstick.errors import GreenstickError
from greenstick.radiographs.canvas import fit
from greenstick.radiographs.opening import open_radiograph


def draw_images(folder: Path, n: int, *, side: int = 40) -> list[Path]:
    rng = np.random.default_rng(1)
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{i:03}.png" for i in range(n)]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (side, side + 10), dtype=np.uint8)).save(path)
    return paths


BUILDER = """
import sys
from pathlib import Path
from greenstick.cohorts.pixels import open_pixel_store
images, cache, px = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
store = open_pixel_store(cache, px)
added = store.add(
    sorted(images.iterdir()), workers=1, progress=lambda done, all: print(done, flush=True)
)
print("decoded", added.decoded, flush=True)
"""


def start_builder(images: Path, cache: Path, px: int, **options) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BUILDER, str(images), str(cache), str(px)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, **options)


def test_a_canvas_comes_back_as_it_was_fitted(tmp_path):
    paths = draw_images(tmp_path / "images", 3)
    store = open_pixel_store(tmp_path / "cache", 64)
    keys = store.add(paths).keys
    for path, key in zip(paths, keys, strict=True):
        canvas, placement = fit(open_radiograph(path, at_least_px=64), 64)
        assert np.array_equal(store.canvas(key), canvas)
        assert store.placement(key) == placement
    assert store.gather(keys[::-1]).shape == (3, 64, 64)
    assert np.array_equal(store.gather(keys[::-1])[0], store.canvas(keys[2]))


def test_real_radiographs_are_kept(tmp_path, fracatlas):
    paths = sorted((fracatlas / "images").iterdir())[:6]
    store = open_pixel_store(tmp_path, 128)
    added = store.add(paths, workers=2)
    readable = [key for key in added.keys if key is not None]
    assert len(readable) + len(added.unreadable) == 6
    assert store.gather(readable).reshape(len(readable), -1).max(axis=1).min() > 100


def test_the_key_is_the_content_not_the_name_or_the_time(tmp_path):
    first, second = draw_images(tmp_path / "images", 2)
    store = open_pixel_store(tmp_path / "cache", 32)
    renamed = first.with_name("renamed.png")
    renamed.write_bytes(first.read_bytes())
    added = store.add([first, renamed, second])
    assert added.keys[0] == added.keys[1] != added.keys[2]
    first.write_bytes(second.read_bytes())
    assert store.add([first]).keys == [added.keys[2]]
    assert open_pixel_store(tmp_path / "cache", 48).key(second) != added.keys[2]


def test_what_is_there_is_not_decoded_again(tmp_path, monkeypatch):
    paths = draw_images(tmp_path / "images", 5)
    store = open_pixel_store(tmp_path / "cache", 32)
    assert store.add(paths[:3]).decoded == 3
    told = []
    again = store.add(paths, progress=lambda done, of: told.append((done, of)))
    assert again.decoded == 2
    assert told == [(5, 5)]
    monkeypatch.setattr(pixels, "open_region", None)  # would fail if it were called
    assert store.add(paths).keys == again.keys


def test_unreadable_files_are_named_and_the_rest_go_on(tmp_path):
    good = draw_images(tmp_path / "images", 2)
    truncated = tmp_path / "truncated.png"
    truncated.write_bytes(good[0].read_bytes()[:900])
    text = tmp_path / "text.jpg"
    text.write_text("no image")
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    paths = [good[0], tmp_path / "missing.png", truncated, text, tmp_path, pipe, good[1]]
    added = open_pixel_store(tmp_path / "cache", 32).add(paths)
    assert [key is None for key in added.keys] == [False, *[True] * 5, False]
    assert [one.index for one in added.unreadable] == [1, 2, 3, 4, 5]
    assert all(one.reason and "\n" not in one.reason for one in added.unreadable)


def test_two_builders_at_once(tmp_path):
    paths = draw_images(tmp_path / "images", 200)
    builders = [start_builder(tmp_path / "images", tmp_path / "cache", 48) for _ in range(2)]
    outcomes = [builder.communicate(timeout=60) for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0], outcomes
    store = open_pixel_store(tmp_path / "cache", 48)
    added = store.add(paths)
    assert added.decoded == 0
    assert np.array_equal(store.canvas(added.keys[7]), fit(open_radiograph(paths[7]), 48)[0])


def test_a_killed_builder_leaves_a_store_that_goes_on(tmp_path):
    paths = draw_images(tmp_path / "images", 700)
    builder = start_builder(tmp_path / "images", tmp_path / "cache", 48)
    assert builder.stdout is not None
    assert int(builder.stdout.readline()) > 0
    builder.send_signal(signal.SIGKILL)
    builder.communicate(timeout=30)
    assert builder.returncode == -signal.SIGKILL
    store = open_pixel_store(tmp_path / "cache", 48)
    added = store.add(paths)
    assert 0 < added.decoded < 700
    for index in range(0, 700, 50):
        expected = fit(open_radiograph(paths[index]), 48)[0]
        assert np.array_equal(store.canvas(added.keys[index]), expected)


def test_the_map_grows_here_and_in_another_process(tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "_FIRST_MAP_BYTES", 1 << 17)
    paths = draw_images(tmp_path / "images", 150, side=90)
    store = open_pixel_store(tmp_path / "cache", 100)
    few = store.add(paths[:5])
    builder = start_builder(tmp_path / "images", tmp_path / "cache", 100)
    _, errors = builder.communicate(timeout=60)
    assert builder.returncode == 0, errors
    assert store.add(paths).decoded == 0  # reads past its own first map
    small = open_pixel_store(tmp_path / "small", 100)
    assert small.add(paths).decoded == 150  # and grows by itself
    assert np.array_equal(small.gather(few.keys), store.gather(few.keys))


def test_a_write_that_the_system_refuses_is_the_users_to_mend(tmp_path):
    draw_images(tmp_path / "images", 120, side=200)

    def allow_little() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    builder = start_builder(tmp_path / "images", tmp_path / "c", 256, preexec_fn=allow_little)
    _, errors = builder.communicate(timeout=60)
    assert builder.returncode == 1
    assert "GreenstickError" in errors
    assert "GREENSTICK_CACHE" in errors


def test_the_store_works_after_a_fork_and_in_a_pickle(tmp_path):
    store = open_pixel_store(tmp_path / "cache", 32)
    keys = store.add(draw_images(tmp_path / "images", 2)).keys
    expected = store.gather(keys)
    assert np.array_equal(pickle.loads(pickle.dumps(store)).gather(keys), expected)  # noqa: S301
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert np.array_equal(pool.apply(store.gather, (keys,)), expected)
    assert np.array_equal(store.gather(keys), expected)


def test_what_is_no_store_is_refused(tmp_path):
    (tmp_path / "pixels.lmdb").write_bytes(b"not a store" * 1000)
    with pytest.raises(GreenstickError, match="cannot be opened"):
        open_pixel_store(tmp_path, 32)


def test_a_key_that_is_gone_is_told(tmp_path):
    store = open_pixel_store(tmp_path, 32)
    with pytest.raises(GreenstickError, match="no longer in the pixel store"):
        store.gather([b"nothing"])


def test_the_cache_is_where_the_user_says(tmp_path, monkeypatch):
    monkeypatch.setenv("GREENSTICK_CACHE", str(tmp_path / "mine"))
    assert default_cache() == tmp_path / "mine"
    assert open_pixel_store(canvas_px=32).path.parent == tmp_path / "mine"
    monkeypatch.delenv("GREENSTICK_CACHE")
    assert default_cache() == Path.home() / ".cache" / "greenstick"


def test_copies_are_kept_once(tmp_path):
    path = draw_images(tmp_path / "images", 1, side=300)[0]
    store = open_pixel_store(tmp_path / "cache", 300)
    added = store.add([path] * 300)
    assert len(added.keys) == 300
    assert len(set(added.keys)) == 1
    assert store.path.stat().st_size < 1_000_000
