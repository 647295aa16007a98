"""The code location: everything is assembled in ``assets.build``."""

from assets.build import build_defs

defs = build_defs()
