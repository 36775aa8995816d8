"""A fleet of users' devices in federated training: how long clients take, and what they draw meanwhile.

A client downloads the model, trains on its own samples, and uploads its update (McMahan et al. 2017, "Communication-
Efficient Learning of Deep Networks from Decentralized Data", arXiv:1602.05629). Its energy has the terms of Qiu et al.
2023 ("A First Look into the Carbon Footprint of Federated Learning", JMLR 24, arXiv:2102.07627) and of Yousefpour et
al. 2023 ("Green Federated Learning", arXiv:2303.14604): power while it trains, power while it is held up without
training, and energy of networks by the byte. Charging losses, and what devices draw between rounds, are outside.

A client that drops out does so at an instant equally likely anywhere in its session. Devices are as many as they are
asked for: who has just trained may be asked again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sim.workload.laws import Law


Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class DeviceClass:
    """One kind of device and the network it is on. ``share`` of all clients; ``idle_w`` while it transfers or waits."""

    name: str
    share: float
    training_w: float
    idle_w: float
    samples_per_s: float
    download_byte_per_s: float
    upload_byte_per_s: float
    joule_per_byte: float


@dataclass(frozen=True)
class Fleet:
    """All kinds of devices, and what each client is asked: ``samples`` to train on (those of all its epochs), bytes
    down and up. ``factors`` is the law of its time to train, relative to its class; ``drop_out`` the share of clients
    that are never heard of again."""

    classes: tuple[DeviceClass, ...]
    samples: float
    download_byte: float
    upload_byte: float
    factors: Law
    drop_out: float

    def sessions(self, rng: np.random.Generator, clients: int) -> Sessions:
        """Sessions of ``clients`` drawn independently."""
        kinds = self.classes
        of = rng.choice(len(kinds), size=clients, p=np.array([kind.share for kind in kinds]))
        down = np.array([self.download_byte / kind.download_byte_per_s for kind in kinds])[of]
        up = np.array([self.upload_byte / kind.upload_byte_per_s for kind in kinds])[of]
        train = np.array([self.samples / kind.samples_per_s for kind in kinds])[of] * self.factors(rng, clients)
        lost = rng.random(clients) < self.drop_out
        whole = down + train + up
        return Sessions(self, of, down, train, up, lost, np.where(lost, rng.random(clients) * whole, whole))


@dataclass(frozen=True, eq=False)
class Sessions:
    """Clients of a fleet, each by its class: s to download, train and upload, whether it drops out, and after how many
    seconds it ends (all (clients,))."""

    fleet: Fleet
    of: Ints
    down_s: Floats
    train_s: Floats
    up_s: Floats
    lost: Flags
    end_s: Floats

    def until(self, cut_s: Floats | float) -> Drawn:
        """What each did in the first ``cut_s`` of its session, which may end before."""
        there = np.minimum(self.end_s, cut_s)
        down = np.minimum(there, self.down_s)
        train = np.clip(there - self.down_s, 0.0, self.train_s)
        up = np.clip(there - self.down_s - self.train_s, 0.0, self.up_s)
        kinds = self.fleet.classes
        training_w, idle_w = (np.array([getattr(kind, name) for kind in kinds]) for name in ("training_w", "idle_w"))
        joule_per_byte = np.array([kind.joule_per_byte for kind in kinds])[self.of]
        down_byte = self.fleet.download_byte * _part(down, self.down_s, there)
        up_byte = self.fleet.upload_byte * _part(up, self.up_s, there - self.down_s - self.train_s)
        return Drawn(
            device_j=training_w[self.of] * train + idle_w[self.of] * (down + up),
            network_j=joule_per_byte * (down_byte + up_byte),
            down_byte=down_byte,
            up_byte=up_byte,
            there_s=there,
        )


def _part(done_s: Floats, whole_s: Floats, since_s: Floats) -> Floats:
    """The share of a transfer that is done; all of one that takes no time, once it has begun."""
    at_once = np.where(since_s >= 0.0, 1.0, 0.0)
    return np.divide(done_s, whole_s, out=at_once, where=whole_s > 0.0)


@dataclass(frozen=True, eq=False)
class Drawn:
    """Of each client, (clients,): J of its device and of networks, bytes down and up, and s that it was there."""

    device_j: Floats
    network_j: Floats
    down_byte: Floats
    up_byte: Floats
    there_s: Floats


def round_end_s(sessions: Sessions, wanted: int, deadline_s: float) -> float:
    """When a synchronous round ends: with the update of the ``wanted``-th client, or at its deadline.

    With exponential times of rate r and no deadline, of n clients the k-th is back after (H(n) - H(n - k)) / r on
    average, H being harmonic numbers; of n, n (1 - exp(-r d)) are back by a deadline d.
    """
    back = np.sort(sessions.end_s[~sessions.lost])
    return min(deadline_s, float(back[wanted - 1])) if len(back) >= wanted else deadline_s
