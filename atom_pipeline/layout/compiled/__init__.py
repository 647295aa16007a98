"""Large fixed-width files, read by compiled loops: what ``fixed.decode_block`` gives, several times as fast.

``decoder`` is the way in, and is imported only for a large file. ``program`` says a layout in numbers, ``cells`` are
the loops, ``text`` and ``numbers`` what they do to single cells by ``intrinsics``. ``entries`` says what of them is
compiled, ``machine`` keeps and calls the machine code, ``arrow`` makes frames of what they leave in memory. What is not
usual is left to ``convert``, which alone refuses, flags and says why.
"""
