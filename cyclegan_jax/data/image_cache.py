"""A bounded memory of decoded images, filled as they are first used."""

import logging
import threading
from collections.abc import Callable

from cyclegan_jax.data.images import AnyImage

_LOG = logging.getLogger(__name__)

GIB = 2**30


class ImageCache:
    """Images by key, up to a number of bytes; what does not fit any more is made anew each time.

    Filling once and never evicting is right for epochs, in which each image comes once: whatever is thrown out for a
    new one is needed again before that.
    """

    def __init__(self, gib: float):
        """Of `gib` GiB."""
        self._left = int(gib * GIB)
        self._gib = gib
        self._images: dict[object, AnyImage] = {}
        self._full = False
        self._lock = threading.Lock()

    def get(self, key: object, make: Callable[[], AnyImage], *, needed: bool = True) -> AnyImage:
        """The image of a key, which `make` makes when it is not there; not to be written to.

        One that is not `needed` is quickly made again: it is no news that it has no room.
        """
        found = self._images.get(key)
        if found is not None:
            return found
        image = make()
        announce = False
        with self._lock:
            if image.nbytes <= self._left:
                # Two threads may have made the same image; the second replaces the first.
                self._left -= 0 if key in self._images else image.nbytes
                self._images[key] = image
            elif needed and not self._full:
                self._full = announce = True
        if announce:
            _LOG.warning(
                f"the image cache of {self._gib:g} GiB is full with {len(self._images):,} images: the others are "
                "decoded again in every epoch; raise --data.cache_gib to keep them too"
            )
        return image
