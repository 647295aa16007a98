"""The code location: assets and jobs are assembled in ``assets.build``, what starts them in ``sensors.build``."""

from atom_pipeline.garbage import nothing_is_garbage

with nothing_is_garbage():
    from assets.build import build_defs
    from sensors.build import sensors_over
    from sensors.opened import OpenedOnce

    defs = build_defs(sensors=sensors_over(OpenedOnce()))
