"""A cluster of machines, by Ray. An extra: ``pip install 'greenstick[ray]'``."""

import logging
from typing import Any

from greenstick.errors import GreenstickError


def join_cluster(address: str) -> Any:
    """Join a Ray cluster, and return Ray itself; ``shutdown()`` of it leaves the cluster.

    Parameters
    ----------
    address
        As ``ray.init`` takes it: ``auto``, ``ray://HOST:10001``, ``HOST:6379``, or ``local`` for
        one on this machine.

    Raises
    ------
    GreenstickError
        Where Ray is not installed, or no cluster answers.
    """
    try:
        import ray
    except ImportError:
        raise GreenstickError(
            "Ray is not installed.", remedy="Install it: pip install 'greenstick[ray]'."
        ) from None
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises plain ones too
        raise GreenstickError(
            f"No Ray cluster answers at {address}: {(str(error).splitlines() or [''])[0]}",
            remedy="Start one with 'ray start --head', or give --ray local.",
        ) from None
    return ray
