"""The sensors of the code location, made afresh. Only assembly belongs here."""

from collections.abc import Sequence

import dagster as dg

from assets.build import Sensors
from atom_pipeline.layout.catalogue import Catalogue
from sensors.alarms import build_alarm_sensor
from sensors.days import build_days_sensor
from sensors.drop import build_drop_sensor
from sensors.massivas import build_massiva_sensors
from sensors.opened import OpenedOnce


def sensors_over(opened: OpenedOnce) -> Sensors:
    """What makes a portfolio's sensors: what collects, what makes days, what raises alarms, what
    sends messages. ``opened`` is first asked at the first tick."""

    def sensors(catalogue: Catalogue, assets: Sequence[dg.AssetsDefinition]) -> list[dg.SensorDefinition]:
        return [
            build_drop_sensor(catalogue, opened),
            build_days_sensor(catalogue, assets, opened),
            build_alarm_sensor(catalogue, opened),
            *build_massiva_sensors(catalogue, opened),
        ]

    return sensors
