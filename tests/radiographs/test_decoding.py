import logging
import threading
import warnings

from PIL import ImageFile

from greenstick.radiographs.decoding import decoding


def test_the_state_is_as_it_was_when_the_last_thread_has_left() -> None:
    before = list(warnings.filters)
    inside, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with decoding():
            inside.set()
            leave.wait(5)

    other = threading.Thread(target=stay)
    other.start()
    inside.wait(5)
    with decoding():
        warnings.warn("Zimmermann", stacklevel=1)
    # The other thread is still inside: nothing may be heard yet.
    warnings.warn("Zimmermann", stacklevel=1)
    assert logging.getLogger("pydicom").disabled
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    leave.set()
    other.join()
    assert list(warnings.filters) == before
    assert not logging.getLogger("pydicom").disabled
