"""The compiled fleet: lays out the kernel's memories, and makes more room where it runs out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.engine.fleet import records as k
from sim.engine.fleet.placements.anywhere import ANYWHERE
from sim.engine.fleet.possible import Possible
from sim.engine.fleet.request import Request
from sim.engine.fleet.shape import PoolShape
from sim.engine.kernels.loading import FLEET, loaded

Ints = npt.NDArray[np.int64]
Rules = tuple[int, int, int, int]
"""Who comes first, who may pass it, in which order those are looked at, and where: the codes of ``records``."""

FIRST_PLACES = 1 << 16

call = loaded(FLEET)


@dataclass(frozen=True, eq=False)
class Held:
    """What a run of the kernel leaves, rows over all tables: when each started and ended, -1 where it did not, in which
    pool; whether it was ever able to start, was submitted; the rows in the order in which they started, with their
    places."""

    start_ns: Ints
    end_ns: Ints
    pool: Ints
    refused: npt.NDArray[np.bool_]
    stints: Ints
    first_place: Ints
    node: Ints
    slots: Ints
    last_ns: int
    waiting: int
    events: int


class FastFleet:
    """Equal nodes in pools, and rows of jobs in the order of their submission, advanced by a compiled loop.

    Row ``i`` asks for ``slots[i]`` (on ``nodes[i]`` nodes, where that is not 0) of one of the pools
    ``choices[choice[i]]``; there it would hold them for ``held_ns[pool][i]``. ``limit_ns`` is what its user says,
    ``NEVER`` where nothing.
    """

    def __init__(
        self,
        pools: Sequence[PoolShape],
        rules: Rules,
        submit_ns: Ints,
        limit_ns: Ints,
        slots: Ints,
        nodes: Ints,
        choices: Sequence[tuple[int, ...]],
        choice: Ints,
        held_ns: Sequence[Ints],
    ) -> None:
        self._pools = tuple(pools)
        self._owned: list[npt.NDArray[Any]] = []
        self._memory = np.zeros(1, k.Fleet.dtype)
        fleet = self._fleet = self._memory[0]
        fleet["head_by"], fleet["backfill"], fleet["behind_by"], fleet["placement"] = rules
        n = len(submit_ns)
        self._jobs = np.zeros(n, k.Job.dtype)
        self._jobs["submit_ns"], self._jobs["limit_ns"] = submit_ns, limit_ns
        self._jobs["start_ns"] = self._jobs["end_ns"] = self._jobs["pool"] = -1
        self._lay_sizes(slots, nodes, choices, choice)
        self._lay_pools([held.ctypes.data for held in held_ns])
        self._owned.extend(held_ns)
        n_blocks = min(n, sum(pool.count * pool.slots for pool in pools)) // (k.BLOCK // 4) + 4 * len(pools) + 4
        self._lay_blocks(n_blocks if rules[1] == k.EASY else 0)
        by_count = rules[3] == k.ANYWHERE or all(pool.slots == 1 for pool in pools) or not np.any(slots > 1)
        fleet["imagines"] = rules[1] == k.EASY and (bool(np.any(nodes > 0)) or not by_count)
        self._stints = np.zeros(n, np.int64)
        free = np.repeat([pool.slots for pool in pools], [pool.count for pool in pools]).astype(np.int64)
        running = min(n, sum(pool.count * pool.slots for pool in pools)) + 1
        laid = {
            "jobs": self._jobs,
            "stints": self._stints,
            "free": free,
            "later": free.copy(),
            "ends": np.zeros(running, k.End.dtype),
        }
        for name, rows in laid.items():
            fleet[name] = self._own(rows)
        fleet["n_jobs"], fleet["n_pools"] = n, len(pools)
        self._places = np.zeros(0, np.int64)
        self._grow()

    def _own(self, rows: npt.NDArray[Any]) -> int:
        self._owned.append(rows)
        return rows.ctypes.data

    def _lay_sizes(self, slots: Ints, nodes: Ints, choices: Sequence[tuple[int, ...]], choice: Ints) -> None:
        """Jobs by what they ask for, the smallest first; those that no pool could ever hold have none."""
        by_nodes = int(nodes.max(initial=0)) + 1
        keys, size_of = np.unique((slots * by_nodes + nodes) * len(choices) + choice, return_inverse=True)
        counts = np.bincount(size_of, minlength=len(keys))
        firsts = np.cumsum(counts) - counts
        order = np.argsort(size_of, kind="stable")
        self._jobs["leaf"][order] = np.arange(len(order)) - np.repeat(firsts, counts)
        leaves = 1 << np.array([max(0, (int(count) - 1).bit_length()) for count in counts], np.int64)
        offsets = 2 * (np.cumsum(leaves) - leaves)
        limits = np.full(2 * int(leaves.sum()), k.ABSENT, np.int64)
        pools_of = [np.array(pools, np.int64) for pools in choices]
        self._owned.extend(pools_of)
        sizes = np.zeros(len(keys), k.Size.dtype)
        can_start = np.zeros(len(keys), bool)
        can_ever_hold = Possible(self._pools, [ANYWHERE])  # equal nodes and nothing else that counts: packed or not
        for i, key in enumerate(keys.tolist()):
            which = key % len(choices)
            asked, on = divmod(key // len(choices), by_nodes)
            sizes[i]["slots"], sizes[i]["nodes"] = asked, on
            sizes[i]["pools"], sizes[i]["n_pools"] = pools_of[which].ctypes.data, len(choices[which])
            can_start[i] = can_ever_hold(Request("", 0, choices[which], asked, 0, None, nodes=on))
        sizes["leaves"] = leaves
        sizes["limits"] = self._own(limits) + 8 * offsets
        sizes["members"] = self._own(order.astype(np.int64)) + 8 * firsts
        self._jobs["size"] = np.where(can_start[size_of], size_of, -1)
        self._fleet["sizes"], self._fleet["n_sizes"] = self._own(sizes), len(sizes)
        widest = max((pool.count for pool in self._pools), default=0)
        most = sizes["slots"][can_start].max(initial=0)
        self._fleet["most_places"] = min(int(most), widest)

    def _lay_pools(self, held_at: Sequence[int]) -> None:
        first = 0
        laid = np.zeros(len(self._pools), k.Pool.dtype)
        for row, pool, held in zip(laid, self._pools, held_at, strict=True):
            words = -(-pool.count // k.WORD)
            full = -(-words // k.WORD)
            row["first"], row["count"], row["slots"] = first, pool.count, pool.slots
            row["free"], row["n_full"], row["held_ns"] = pool.count * pool.slots, full, held
            levels = np.zeros(pool.slots + 1, k.Level.dtype)
            bits = np.zeros((pool.slots + 1, words), np.int64)
            tops = np.zeros((pool.slots + 1, full), np.int64)
            bits[-1], tops[-1] = _ones(pool.count, words), _ones(words, full)
            levels["words"] = self._own(bits) + 8 * words * np.arange(pool.slots + 1)
            levels["full"] = self._own(tops) + 8 * full * np.arange(pool.slots + 1)
            row["levels"] = self._own(levels)
            counts = np.zeros((2, pool.slots + 1), np.int64)
            counts[:, -1] = pool.count
            row["counts"] = self._own(counts)
            row["later_counts"] = row["counts"] + counts[0].nbytes
            row["later_ns"], row["later_free"] = -1, row["free"]
            first += pool.count
        self._laid_pools = laid
        self._fleet["pools"] = self._own(laid)

    def _lay_blocks(self, count: int) -> None:
        blocks = np.zeros(count, k.Block.dtype)
        dues = np.zeros((count, k.BLOCK), k.End.dtype)
        blocks["dues"] = self._own(dues) + dues.itemsize * k.BLOCK * np.arange(count)
        orders = np.zeros((len(self._pools), count), np.int64)
        self._laid_pools["order"] = self._own(orders) + 8 * count * np.arange(len(self._pools))
        self._fleet["blocks"] = self._own(blocks)
        self._fleet["spare_blocks"], self._fleet["n_spare"] = self._own(np.arange(count)[::-1].copy()), count

    def _grow(self) -> None:
        """Makes room for more places."""
        used = int(self._fleet["n_places"])
        grown = np.zeros(used + used // 2 + FIRST_PLACES + int(self._fleet["most_places"]), np.int64)
        grown[:used] = self._places[:used]
        self._places = grown
        self._fleet["places"], self._fleet["places_room"] = grown.ctypes.data, len(grown)

    def run(self, until_ns: int) -> Held:
        """Everything that happens before ``until_ns``."""
        fleet = self._fleet
        fleet["until_ns"] = until_ns
        while call(self._memory.ctypes.data) == k.NEED_PLACES:
            self._grow()
        stints = self._stints[: int(fleet["n_stints"])]
        places = self._places[: int(fleet["n_places"])]
        return Held(
            start_ns=self._jobs["start_ns"],
            end_ns=self._jobs["end_ns"],
            pool=self._jobs["pool"],
            refused=self._jobs["size"] < 0,
            stints=stints,
            first_place=np.append(self._jobs["first_place"][stints], len(places)),
            node=places >> k.SLOT_BITS,
            slots=places & ((1 << k.SLOT_BITS) - 1),
            last_ns=int(fleet["now_ns"]),
            waiting=int(fleet["n_waiting"]),
            events=int(fleet["events"]),
        )


def _ones(count: int, words: int) -> Ints:
    """The first ``count`` bits of so many words."""
    whole = ((1 << count) - 1).to_bytes(8 * words, "little")
    return np.frombuffer(whole, "<i8").astype(np.int64)
