"""Work in stages as written -> the plan that the engine follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sim.build.factors import factor_law
from sim.build.power.loads import gpu_watts
from sim.build.resolved import Resolved
from sim.build.serving.provisioning import of_service
from sim.build.work import Around, arrivals_of, service_factor, service_under_cap
from sim.engine.queueing.plan import Replicas
from sim.engine.split import SplitPlan
from sim.profiles.machines.device import DeviceProfile
from sim.profiles.machines.gpu import GPUProfile
from sim.spec.split import DEVICE, OfPeak, Speed, SplitSpec, Stage, UserDevices
from sim.units import ns_from
from sim.workload.stages import ON_DEVICE, Course, DeviceKind, Leg, Move, Network, Way, move


def split(written: SplitSpec, around: Around) -> SplitPlan:
    """A workload with its arrivals, none of which has gone anywhere yet."""
    resolved, name = around.resolved, around.name
    profiles = device_profiles(written, resolved)
    pools = resolved.pools[name]
    places = tuple((place, _replicas(place, written, around)) for place in written.used)
    arrivals_ns, open_until_ns = arrivals_of(name, written.arrivals, resolved.parts, around.streams)
    return SplitPlan(
        name=name,
        pool=next(iter(pools.values()), next(iter(resolved.sites))),
        kinds=tuple(_kind(kind, one, profiles.get(kind)) for kind, one in _devices(written).items()),
        stages=tuple(written.stages),
        course=_course(written, profiles),
        places=places,
        arrivals_ns=arrivals_ns,
        open_until_ns=open_until_ns,
        stream=around.streams.named(f"split/{name}"),
    )


def _devices(written: SplitSpec) -> dict[str, UserDevices]:
    """By name: who is asked is drawn by position, so that it is not that in the file."""
    return dict(sorted(written.devices.items()))


def device_profiles(written: SplitSpec, resolved: Resolved) -> dict[str, DeviceProfile]:
    """The profiles of kinds of devices that name one. Raises ``InputError`` for one that cannot be read."""
    named = {kind: one.profile for kind, one in written.devices.items() if one.profile is not None}
    return {kind: resolved.catalog.device(profile) for kind, profile in named.items()}


def device_watts(one: UserDevices, profile: DeviceProfile | None) -> tuple[float, float, float, float]:
    """W of a device at work, transferring, waiting and on standby: as written, or as its profile has them."""
    of_profile = {}
    if profile is not None:
        power = profile.power
        of_profile = {"working": power.working, "transferring": power.transferring, "waiting": power.idle}
    found = [
        float(stated if (stated := getattr(one, use)) is not None else of_profile[use].value)
        for use in ("working", "transferring", "waiting")
    ]
    return found[0], found[1], found[2], float(one.standby or 0.0)


def _kind(name: str, one: UserDevices, profile: DeviceProfile | None) -> DeviceKind:
    return DeviceKind(name, one.count, device_watts(one, profile), kept=one.standby is not None)


def flop_per_s(speed: Speed | None, peak: Mapping[str, float], boards: int = 1) -> float:
    """Achieved FLOP/s of a device, or of ``boards`` GPUs together; 0 where nothing is said, and nobody asks."""
    if isinstance(speed, OfPeak):
        return peak[speed.precision] * float(speed.efficiency) * boards
    return float(speed) if speed is not None else 0.0


def _peak(profile: DeviceProfile | GPUProfile | None) -> dict[str, float]:
    return {name: float(rate.value) for name, rate in profile.peak.items()} if profile is not None else {}


def _stage_ns(stage: Stage, where: str, speed: float) -> int:
    if where in stage.time:
        return int(stage.time[where])
    assert stage.work is not None  # or it would not have passed
    return max(1, ns_from(float(stage.work) / speed))


def _replicas(place: str, written: SplitSpec, around: Around) -> Replicas:
    spec, resolved = written.places[place], around.resolved
    pool = resolved.pools[around.name][place]
    gpu, machine = resolved.gpus.get(pool), resolved.machines[pool]
    active_w = loaded_w = float(gpu.power.idle.value) if gpu is not None else 0.0
    if spec.load is not None and gpu is not None:
        active_w, loaded_w = gpu_watts(spec.load, gpu)
    sockets, batching = spec.sockets_per_replica, spec.batching
    first_ns = place_ns(place, written, gpu)
    return Replicas(
        name=around.name,
        pool=pool,
        replicas=spec.replicas,
        gpus_per_replica=machine.slots_of(sockets) if sockets else spec.gpus_per_replica,
        first_ns=first_ns,
        further_ns=round(first_ns * float(batching.further)) if batching is not None else 0,
        factor=service_factor(spec.law, spec.cv, around.streams.named(f"split/{around.name}/{place}")),
        max_batch=batching.max_batch if batching is not None else 1,
        max_wait_ns=int(batching.max_wait) if batching is not None else 0,
        queue_limit=spec.queue_limit,
        start_up=of_service(spec.start_up),
        active_w=active_w,
        loaded_w=loaded_w,
        cpu_load=float(spec.cpu_load),
        on_hosts=sockets > 0,
        under_cap=service_under_cap(spec.load, gpu, loaded_w),
    )


def place_ns(place: str, written: SplitSpec, gpu: GPUProfile | None) -> int:
    """Mean time of one request at a place in use: of all stages there."""
    spec = written.places[place]
    speed = flop_per_s(spec.compute, _peak(gpu), spec.gpus_per_replica)
    return sum(_stage_ns(stage, place, speed) for stage in written.stages.values() if stage.at == place)


def _course(written: SplitSpec, profiles: Mapping[str, DeviceProfile]) -> Course:
    stages = list(written.stages)
    used = list(written.used)
    speeds = [flop_per_s(one.compute, _peak(profiles.get(kind))) for kind, one in _devices(written).items()]
    legs, here, carried = [], DEVICE, float(written.input)
    for leg in written.legs:
        device_ns: tuple[tuple[int, ...], ...] = ()
        if leg.at == DEVICE:
            device_ns = tuple(
                tuple(_stage_ns(written.stages[stage], kind, speed) for stage in leg.stages)
                for kind, speed in zip(_devices(written), speeds, strict=True)
            )
        legs.append(
            Leg(
                place=ON_DEVICE if leg.at == DEVICE else used.index(leg.at),
                first=stages.index(leg.stages[0]),
                last=stages.index(leg.stages[-1]),
                device_ns=device_ns,
                into=tuple(_move(carried, here, leg.at, kind, written) for kind in _devices(written)),
                back=tuple(_move(float(written.reply), leg.at, DEVICE, kind, written) for kind in _devices(written)),
            )
        )
        here, carried = leg.at, float(written.stages[leg.stages[-1]].output or 0.0)
    return Course(
        legs=tuple(legs),
        leaves=tuple(float(stage.leaves) for stage in written.stages.values()),
        factors=factor_law(written.spread) if written.spread is not None else None,
        answered=bool(written.reply) or any(leg.at == DEVICE for leg in written.legs[1:]),
    )


def _move(byte: float, here: str, there: str, kind: str, written: SplitSpec) -> Move | None:
    """Between a device of a kind and a place, or between two places: down one's own networks and up the other's, those
    that both lie beyond left out."""
    ends = [[] if at == DEVICE else [written.devices[kind].network, *written.places[at].over] for at in (here, there)]
    shared = 0
    while shared < min(map(len, ends)) and ends[0][shared] == ends[1][shared]:
        shared += 1
    path: Sequence[tuple[str, Way]] = [
        *((name, "down") for name in reversed(ends[0][shared:])),
        *((name, "up") for name in ends[1][shared:]),
    ]
    way: Way | None = "up" if here == DEVICE else "down" if there == DEVICE else None
    return move(byte, [(_network(written, name), going) for name, going in path], way)


def _network(written: SplitSpec, name: str) -> Network:
    net = written.networks[name]
    return Network(float(net.energy), float(net.upload), float(net.download), int(net.latency))
