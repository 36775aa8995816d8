"""Writes base_stations.csv and base_stations_load.csv: a day of forty-eight base stations under the same load.

The load is made up: quiet at night, a shoulder by day and a peak at 21:00, between 5 % and 55 % of a station's radiated
power, with the shape of daily traffic that Auer et al. (2011, doi:10.1109/MWC.2011.6056691) describe.
"""

import math
from pathlib import Path

STATIONS = 48
LEAST, MOST = 0.05, 0.55


def load(hour: int) -> float:
    """Share of the radiated power at an hour of the day."""
    evening = 0.5 + 0.5 * math.cos(2.0 * math.pi * (hour - 21) / 24.0)
    return round(LEAST + (MOST - LEAST) * math.pow(evening, 1.5), 3)


def main() -> None:
    """Writes the files beside this script."""
    here = Path(__file__).parent
    names = [f"bs-{i:02d}" for i in range(STATIONS)]
    jobs = ["job_id,user,submit_s,run_s,gpus", *(f"{name},{name},0,86400,1" for name in names)]
    (here / "base_stations.csv").write_text("\n".join(jobs) + "\n", encoding="utf-8")
    loads = [f"{name},{3600 * hour},{load(hour)}" for name in names for hour in range(24)]
    (here / "base_stations_load.csv").write_text(
        "\n".join(["job_id,offset_s,cpu_load", *loads]) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
