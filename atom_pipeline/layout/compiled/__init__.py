"""Large fixed-width files, read by compiled loops: what ``fixed.decode_block`` gives, several times as fast.

``decoder`` is the way in, and is imported only for a large file: numba takes a second to load. ``program`` says a
layout in numbers, ``cells`` are the loops, ``text`` and ``numbers`` what they do to single cells, ``cache`` keeps the
machine code. What is not usual is left to ``convert``, which alone refuses, flags and says why.
"""
