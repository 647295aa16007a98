"""Numbers drawn from an index instead of a generator: the same index, salt and seed give the same value anywhere.

What belongs here: hashing of index arrays into draws. What is drawn (names, documents, events) is in the other modules.
A value that is a function of its index needs no memory, so a million contracts are made in chunks, in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def word(*parts: object) -> np.uint64:
    """64 bits that depend on the parts only, never on the process (unlike ``hash``)."""
    text = "\0".join(str(part) for part in parts)
    return np.uint64(int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little"))


@dataclass(frozen=True)
class Draws:
    """Draws for one seed. Every method takes indices (any shape of int64) and the name of what is drawn."""

    seed: int

    def words(self, indices: Integers, *what: object) -> Words:
        """Uniform 64-bit words (splitmix64 of the index, keyed by the seed and by what is drawn)."""
        mixed: Words = indices.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + word(self.seed, *what)
        mixed ^= mixed >> np.uint64(30)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(27)
        mixed *= np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
        return mixed

    def below(self, limit: int, indices: Integers, *what: object) -> Integers:
        """Integers from 0 to limit - 1."""
        return (self.words(indices, *what) % np.uint64(limit)).astype(np.int64)

    def between(self, low: int, high: int, indices: Integers, *what: object) -> Integers:
        """Integers from low to high, both included."""
        return low + self.below(high - low + 1, indices, *what)

    def share(self, share: float, indices: Integers, *what: object) -> Mask:
        """True for about that share of the indices."""
        chosen: Mask = self.words(indices, *what) < np.uint64(int(share * float(2**64 - 2**11)))
        return chosen

    def weighted(self, weights: list[float], indices: Integers, *what: object) -> Integers:
        """Positions in ``weights``, in proportion to them."""
        edges = np.cumsum(np.asarray(weights, dtype=np.float64)) / sum(weights)
        unit = self.words(indices, *what).astype(np.float64) / float(2**64)
        return np.minimum(np.searchsorted(edges, unit, side="right"), len(weights) - 1).astype(np.int64)

    def pick(self, count: int, candidates: Integers, *what: object) -> Integers:
        """``count`` of the candidates (all of them when there are fewer), without repetition, in ascending order."""
        if count <= 0 or candidates.size == 0:
            return np.empty(0, dtype=np.int64)
        if count >= candidates.size:
            return np.sort(candidates)
        order = self.words(candidates, *what)
        chosen = np.argpartition(order, count - 1)[:count]
        return np.sort(candidates[chosen])
