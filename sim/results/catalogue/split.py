"""What happened in workloads that are executed in stages on devices and machines."""

from __future__ import annotations

from sim.results.catalogue.quantity import STATISTICS, At, Quantity, Table, table
from sim.results.formats import count, percent

STAGED, STAGED_TIME, STAGED_PLACES = "in stages", "time of a request", "place"
"""Their tables, by the head of the first column."""
TIMES = (
    ("device", "on the device"),
    ("device_queue", "waiting for the device"),
    ("network", "on the network"),
    ("queue", "in queues of places"),
    ("service", "at work at places"),
)

SPLIT: tuple[Table, ...] = (
    table(
        "split.*",
        Quantity("requests", "requests", always=True, columns=(At(STAGED, "requests"),), form=count),
        Quantity("completed", "answered", always=True, columns=(At(STAGED, "answered"),), form=count),
        Quantity("rejected", "refused", always=True, compared=7, columns=(At(STAGED, "refused"),), form=count),
        Quantity("unfinished", "under way at the end", always=True, form=count),
        Quantity("devices_kwh", "energy of devices", "kWh", always=True),
        Quantity("network_kwh", "energy of the network", "kWh", always=True),
        Quantity("machines_kwh", "energy of machines", "kWh", always=True),
        Quantity("sent_gb", "sent by devices", "GB", always=True),
        Quantity("received_gb", "received by devices", "GB", always=True),
        Quantity(
            "energy_j_per_request.devices",
            "energy of devices",
            "J",
            compared=4,
            columns=(At(STAGED, "devices, J"),),
            meaning="all that users' devices drew, per request that was answered",
        ),
        Quantity(
            "energy_j_per_request.network",
            "energy of networks",
            "J",
            compared=5,
            columns=(At(STAGED, "network, J"),),
            meaning="of all networks that its bytes crossed, per request that was answered",
        ),
        Quantity(
            "energy_j_per_request.machines",
            "energy of machines",
            "J",
            compared=6,
            columns=(At(STAGED, "machines, J"),),
            meaning="of all places, those that stood loaded included, per request that was answered",
        ),
        Quantity("energy_j_per_request.total", "all of it", "J"),
        Quantity("left_after.*", "requests that left after a stage"),
        optional=True,
    ),
    table(
        "split.*.e2e_s",
        *(
            Quantity(
                name,
                f"end to end, {name}",
                compared={"mean": 1, "p50": 2, "p99": 3}.get(name, 0),
                columns=(At(STAGED_TIME, name),) if name in ("mean", "p99") else (),
            )
            for name in STATISTICS
        ),
        unit="s",
        optional=True,
    ),
    table(
        "split.*.parts_s",
        *(Quantity(name, words, columns=(At(STAGED_TIME, words.removeprefix("in ")),)) for name, words in TIMES),
        unit="s",
        optional=True,
        word="parts of a request's time",
        meaning="means over requests that were answered, which add up to the mean end to end",
    ),
    table(
        "split.*.by_use_kwh",
        Quantity("active", "devices at work", "kWh"),
        Quantity("transferring", "devices sending or receiving", "kWh"),
        Quantity("waiting", "devices waiting for an answer", "kWh"),
        Quantity("standby", "devices between requests", "kWh"),
        optional=True,
    ),
    table(
        "split.*.by_device.*",
        Quantity("completed", "answered"),
        Quantity("e2e_s_mean", "end to end, mean", "s"),
        Quantity("device_j_per_request", "energy of the device", "J"),
        optional=True,
    ),
    table(
        "split.*.by_place.*",
        Quantity("requests", "requests", always=True, columns=(At(STAGED_PLACES, "requests"),), form=count),
        Quantity("completed", "served", always=True),
        Quantity("rejected", "refused", always=True, columns=(At(STAGED_PLACES, "refused"),), form=count),
        Quantity("unfinished", "there at the end"),
        Quantity("retries", "served again"),
        Quantity("batches", "batches"),
        Quantity("utilisation", "busy", always=True, columns=(At(STAGED_PLACES, "busy"),), form=percent),
        Quantity("batch_size_mean", "mean batch", columns=(At(STAGED_PLACES, "batch"),)),
        Quantity("throughput_requests_per_s", "throughput of requests", "requests/s"),
        Quantity("energy_j_per_request", "energy", "J"),
        Quantity("power_w_mean", "mean power", "W"),
        Quantity("energy_kwh", "energy", "kWh", always=True, columns=(At(STAGED_PLACES, "energy"),)),
        Quantity("power_w_at_zero_load", "power at zero load", "W"),
        Quantity("zero_load_energy_share", "share of energy at zero load"),
        optional=True,
    ),
    table(
        "split.*.by_place.*.queue_s",
        *(Quantity(name, f"waiting, {name}") for name in STATISTICS),
        unit="s",
        optional=True,
    ),
    table(
        "split.*.by_place.*.e2e_s",
        *(Quantity(name, f"at the place, {name}") for name in STATISTICS),
        unit="s",
        optional=True,
    ),
)
