"""Indicators of a site by the arithmetic of those who define them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.accounting.indicators import indicators
from sim.accounting.site import SiteAccount
from sim.units import J_PER_KWH

CARBON = {"operational_location": 52.0}


def account(reused_kwh: float | None = None, **kwh: float) -> SiteAccount:
    """Of one site, by bins; what is not named is not modelled."""
    bins = {name: np.array([0.25, 0.75]) * value * J_PER_KWH for name, value in kwh.items()}
    reused = np.array([0.5, 0.5]) * reused_kwh * J_PER_KWH if reused_kwh is not None else None
    drawn = np.array([0.25, 0.75]) * J_PER_KWH
    told = {"stock": None, "facility_j": drawn, "reused_j": reused, "renewable_j": None, "carbon_free_j": None, **bins}
    return cast(SiteAccount, SimpleNamespace(**told))


def found(it_kwh: float, facility_kwh: float, *accounts: SiteAccount, **water: float) -> dict[str, Any]:
    return indicators({"it": it_kwh, "facility": facility_kwh}, CARBON, water, accounts)


@given(st.floats(1.0, 1e6), st.floats(1.0, 2.5), st.floats(0.0, 1.0))
def test_what_is_reused_is_taken_off_the_pue(it_kwh: float, pue: float, share: float) -> None:
    """ERF = reuse / facility (ISO/IEC 30134-6), ERE = (facility - reuse) / IT = (1 - ERF) PUE (The Green Grid, white
    paper 29, 2010)."""
    told = found(it_kwh, pue * it_kwh, account(reused_kwh=share * pue * it_kwh))
    assert told["pue"] == pytest.approx(pue, rel=1e-12)
    assert told["erf"] == pytest.approx(share, rel=1e-12, abs=1e-12)
    assert told["ere"] == pytest.approx((1.0 - share) * pue, rel=1e-9, abs=1e-12)


def test_per_kwh_of_it_and_not_of_the_facility() -> None:
    told = found(100.0, 130.0, account(), onsite=180.0, total=583.0)
    assert told == pytest.approx(
        {"pue": 1.3, "cue_kg_per_kwh": 0.52, "wue_l_per_kwh": 1.8, "wue_source_l_per_kwh": 5.83}, rel=1e-12
    )


def test_shares_are_of_all_that_was_supplied_to_all_sites() -> None:
    told = found(
        100.0, 130.0, account(renewable_j=39.0, carbon_free_j=52.0), account(renewable_j=13.0, carbon_free_j=26.0)
    )
    assert told["ref"] == pytest.approx(0.4, rel=1e-12)
    assert told["cfe_24_7"] == pytest.approx(0.6, rel=1e-12)
    assert "erf" not in told
    one_does_not_say = found(100.0, 130.0, account(renewable_j=39.0), account())
    assert "ref" not in one_does_not_say


def test_without_it_there_are_none() -> None:
    assert found(0.0, 10.0, account(reused_kwh=1.0)) == {}
