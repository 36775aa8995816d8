"""A federated training as written -> the plan that the engine follows."""

from __future__ import annotations

import math

from sim.build.factors import factor_law
from sim.build.work import Around
from sim.engine.training.federated import FederatedPlan
from sim.kinds import builder
from sim.profiles.catalog import Catalog
from sim.spec import federated as spec
from sim.workload.fleet import DeviceClass, Fleet
from sim.workload.rounds import Aggregation, Buffered, Synchronous, rounds_of


def federated(written: spec.FederatedSpec, around: Around) -> FederatedPlan:
    """A training, none of whose clients are drawn yet."""
    pool = around.resolved.pool(around.name)
    gpu = around.resolved.gpus.get(pool)
    server, rounds = written.server, written.rounds
    aggregation: Aggregation = builder(written.aggregation)(written.aggregation)
    if isinstance(rounds, spec.RoundsByClients):
        rounds = rounds_of(rounds.at_large, rounds.critical_clients, written.aggregation.clients_per_round)
    return FederatedPlan(
        name=around.name,
        pool=pool,
        slots=server.slots,
        loaded_w=float(gpu.power.loaded.value) if gpu is not None else 0.0,
        cpu_load=float(server.cpu_load),
        submit_ns=int(written.start_after),
        rounds=rounds,
        round_ns=int(server.per_round),
        update_ns=int(server.per_update),
        fleet=_fleet(written, around.resolved.catalog),
        aggregation=aggregation,
        stream=around.streams.named(f"federated/{around.name}"),
    )


def _fleet(written: spec.FederatedSpec, catalog: Catalog) -> Fleet:
    classes = []
    for name, kind in sorted(written.devices.items()):  # clients are drawn by position: so it is not that in the file
        network = written.networks[kind.network]
        training_w, idle_w = _watts(kind, catalog)
        classes.append(
            DeviceClass(
                name=name,
                share=float(kind.share),
                training_w=training_w,
                idle_w=idle_w,
                samples_per_s=kind.samples_per_second,
                download_byte_per_s=float(network.download),
                upload_byte_per_s=float(network.upload),
                joule_per_byte=float(network.energy),
            )
        )
    return Fleet(
        classes=tuple(classes),
        samples=written.samples,
        download_byte=float(written.download),
        upload_byte=float(written.upload),
        factors=factor_law(written.spread),
        drop_out=float(written.drop_out),
    )


def _watts(kind: spec.DeviceKind, catalog: Catalog) -> tuple[float, float]:
    """W of a device that trains, and of one that transfers: as written, or as its profile has them."""
    written = (kind.training, kind.idle)
    if kind.profile is None:
        return float(kind.training or 0.0), float(kind.idle or 0.0)
    power = catalog.device(kind.profile).power
    known = (power.working.value, power.transferring.value)
    training_w, idle_w = (float(w if w is not None else of) for w, of in zip(written, known, strict=True))
    return training_w, idle_w


def synchronous(written: spec.SynchronousRounds) -> Synchronous:
    """Round after round."""
    return Synchronous(
        wanted=written.clients,
        asked=math.ceil(written.clients * (1.0 + float(written.over_selection)) - 1e-9),
        least=max(1, math.ceil(written.clients * float(written.least) - 1e-9)),
        deadline_ns=int(written.deadline),
        waits_ns=int(written.between),
    )


def buffered(written: spec.BufferedRounds) -> Buffered:
    """By so many updates."""
    return Buffered(written.at_once, written.buffer, int(written.deadline))
