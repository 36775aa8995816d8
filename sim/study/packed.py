"""A simulation as bytes, for a cache of them or for another process: what ``unpacked`` gives is the same to a bit."""

from __future__ import annotations

import json
import sys

import numpy as np

from sim.accounting.ledger import Key, Ledger
from sim.running.simulation import Simulated
from sim.study.store import digest


def packed(run: Simulated, key: str) -> bytes:
    """A simulation as the bytes that are kept under ``key``."""
    import pyarrow as pa

    ledger = run.ledger
    told = {
        "activity": run.activity,
        "events": run.events,
        "keys": [list(key) for key in ledger.keys],
        "bins": ledger.energy_j.shape[1],
    }
    head = json.dumps(told).encode()
    arrays = b"".join(
        np.ascontiguousarray(array, dtype=kind).tobytes()
        for array, kind in ((ledger.edges_ns, "<i8"), (ledger.energy_j, "<f8"), (ledger.slot_ns, "<i8"))
    )
    body = len(head).to_bytes(8, "little") + head + arrays
    rest: bytes = len(body).to_bytes(8, "little") + pa.Codec("zstd").compress(body, asbytes=True)
    return json.dumps({"sha256": digest(key, rest)}).encode() + b"\n" + rest


def unpacked(content: bytes) -> Simulated:
    """The simulation in what ``packed`` wrote, which must be ``whole``."""
    import pyarrow as pa

    rest = content.partition(b"\n")[2]
    body = pa.Codec("zstd").decompress(rest[8:], int.from_bytes(rest[:8], "little"), asbytes=True)
    start = 8 + int.from_bytes(body[:8], "little")
    told = json.loads(body[8:start])
    keys, bins = tuple(Key(*map(sys.intern, key)) for key in told["keys"]), told["bins"]
    cells = len(keys) * bins
    edges = np.frombuffer(body, "<i8", bins + 1, start)
    energy = np.frombuffer(body, "<f8", cells, start + edges.nbytes).reshape(len(keys), bins)
    slots = np.frombuffer(body, "<i8", cells, start + edges.nbytes + energy.nbytes).reshape(len(keys), bins)
    return Simulated(Ledger(edges, keys, energy, slots), told["activity"], told["events"])
