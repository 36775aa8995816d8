"""A made-up place with weather, for tests of what stands on site."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from sim.instants import epoch_ns
from sim.onsite import pv
from sim.onsite.dispatch import Dispatch
from sim.units import HOUR_NS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
START_NS = epoch_ns(datetime(2021, 1, 1, tzinfo=UTC))


def imbalance_w(served: Dispatch) -> Floats:
    """Sources less sinks in each bin: zero but for rounding."""
    given = served.pv_w + served.wind_w + served.diesel_w + served.battery_discharge_w + served.grid_import_w
    taken = served.load_w + served.battery_charge_w + served.grid_export_w + served.curtailed_w
    return np.asarray(given + served.unserved_w - taken)


def storage_imbalance_j(served: Dispatch) -> Floats:
    """What the battery took less what it gave, lost and now holds more, in each bin: zero but for rounding."""
    before = np.concatenate([served.soc_start_j[..., None], served.soc_j[..., :-1]], axis=-1)
    net_j = (served.battery_charge_w - served.battery_discharge_w - served.losses_w) * served.dt_s
    return np.asarray(net_j - (served.soc_j - before))


@dataclass(frozen=True)
class Weather:
    """A place's weather, hour by hour."""

    edges_ns: Ints
    latitude_deg: float
    longitude_deg: float
    ghi_w_m2: Floats
    dni_w_m2: Floats
    dhi_w_m2: Floats
    dry_bulb_c: Floats
    wind_m_s: Floats

    def share(self, array: pv.Array, origin_ns: int) -> Floats:
        return pv.specific_power(
            array,
            self.edges_ns + origin_ns,
            latitude_deg=self.latitude_deg,
            longitude_deg=self.longitude_deg,
            ghi_w_m2=self.ghi_w_m2,
            dni_w_m2=self.dni_w_m2,
            dhi_w_m2=self.dhi_w_m2,
            dry_bulb_c=self.dry_bulb_c,
            wind_m_s=self.wind_m_s,
        )


def clear(latitude: float = 33.0, days: int = 365) -> Weather:
    """A made-up year: a diffuse sky whenever the sun is up, and some beam."""
    hours = np.arange(24 * days + 1) * HOUR_NS
    noon = np.clip(np.sin((np.arange(24 * days) % 24 - 5.5) / 12 * np.pi), 0.0, None)  # local solar time
    n = len(noon)
    return Weather(
        edges_ns=(hours + 0).astype(np.int64),
        latitude_deg=latitude,
        longitude_deg=0.0,
        ghi_w_m2=700.0 * noon,
        dni_w_m2=np.where(noon > 0.2, 500.0, 0.0),
        dhi_w_m2=250.0 * noon,
        dry_bulb_c=np.full(n, 20.0),
        wind_m_s=np.full(n, 6.0),
    )
