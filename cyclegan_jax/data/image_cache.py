"""A cache of decoded images in memory, with a limit in bytes."""

import logging
import threading
from collections.abc import Callable

import numpy as np
from jaxtyping import Num

_LOG = logging.getLogger(__name__)

GIB = 2**30


class ImageCache:
    """Images by key, up to a number of bytes; an image that does not fit is made again on each call.

    The cache never evicts. An epoch reads each image once, in random order, so that an evicted image would be needed as
    soon as the image it made room for.
    """

    def __init__(self, gib: float):
        """Create an empty cache for at most `gib` GiB of pixels."""
        self._left = int(gib * GIB)
        self._gib = gib
        self._images: dict[object, Num[np.ndarray, "H W C"]] = {}
        self._full = False
        self._lock = threading.Lock()

    def get(
        self, key: object, make: Callable[[], Num[np.ndarray, "H W C"]], *, warn_if_full: bool = True
    ) -> Num[np.ndarray, "H W C"]:
        """Return the image stored under a key, or make and store it; the caller must not write to it.

        The first image that does not fit logs a warning, unless `warn_if_full` is off (for images that are cheap to
        make again).
        """
        found = self._images.get(key)
        if found is not None:
            return found
        image = make()
        warn = False
        with self._lock:
            if image.nbytes <= self._left:
                # Two threads may have made the same image at once; the second then replaces the first.
                self._left -= 0 if key in self._images else image.nbytes
                self._images[key] = image
            elif warn_if_full and not self._full:
                self._full = warn = True
        if warn:
            _LOG.warning(
                f"the image cache of {self._gib:g} GiB is full with {len(self._images):,} images: the others are "
                "decoded again in every epoch; raise --data.cache_gib to cache them too"
            )
        return image
