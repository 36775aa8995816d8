"""The fold over a log, compiled: ``metering_plain`` said again for Numba, and held equal to it.

Nodes that a stint has whole, and that are on all the while, draw alike but for their GPUs' units: they are one node, so
many times, and their power supplies' losses are added one by one. Every other node is swept alone, from event to event:
a stint begins or ends on it, a pace or a load changes, it boots or fails. Between events what each holder draws is a
row of ``watts`` (``draws.node_draws`` in columns; row 0 is what nobody holds), and is booked bin by bin.
"""

import numpy as np

from sim.engine.fleet.logged import (
    ACTIVE,
    BOOTING,
    FAILED,
    HOLDER_STATE_COUNT,
    NEVER,
    OF_NOBODY,
    OFF,
    ON,
    reached_ns,
    work_ns,
)
from sim.engine.fleet.metering_records import Fold
from sim.engine.serving.compiled import at, entry, inner
from sim.units import SECONDS_PER_NS
from sim.workload.allocations import MILLI

fold_at = at(Fold)
reached = inner(reached_ns)
work = inner(work_ns)
NOBODY = 0


@inner
def sit(fold, seat, stint, milli, cpu_share):
    """A stint takes a seat, before its first pace has begun."""
    first = fold.first_pace[stint]
    seat.stint, seat.owner, seat.milli, seat.cpu_share = stint, fold.owner[stint], milli, cpu_share
    seat.pace, seat.since_ns = first, fold.pace_start_ns[first]
    seat.done_ns, seat.end_ns = fold.done_ns[stint], fold.end_ns[stint]
    seat.load = fold.first_load[fold.job[stint]]


@inner
def move(seat, to):
    """Who sits here goes there."""
    to.stint, to.owner, to.milli, to.cpu_share = seat.stint, seat.owner, seat.milli, seat.cpu_share
    to.pace, to.since_ns, to.done_ns, to.load = seat.pace, seat.since_ns, seat.done_ns, seat.load
    to.end_ns, to.next_ns, to.state = seat.end_ns, seat.next_ns, seat.state
    to.gpu_w, to.cpu_load = seat.gpu_w, seat.cpu_load


@inner
def advance(fold, seat, now):
    """What a seat does at an instant of its stint, not before the one it was asked for last, and until when."""
    stint, pace = seat.stint, seat.pace
    last = fold.first_pace[stint + 1]
    while pace + 1 < last and fold.pace_start_ns[pace + 1] <= now:
        until = fold.pace_start_ns[pace + 1]
        seat.done_ns += work(fold.pace_rate[pace], until - seat.since_ns)
        seat.since_ns = until
        pace += 1
    seat.pace = pace
    upto = seat.end_ns
    if pace + 1 < last:
        upto = min(upto, fold.pace_start_ns[pace + 1])
    state, watts, load = fold.pace_state[pace], fold.pace_gpu_w[pace], fold.pace_cpu_load[pace]
    if state == ACTIVE and (np.isnan(watts) or np.isnan(load)):
        row, rows = seat.load, fold.first_load[fold.job[stint] + 1]
        rate = fold.pace_rate[pace]
        while row + 1 < rows:
            change = reached(fold.load_offset_ns[row + 1] - seat.done_ns, rate)
            if change > now - seat.since_ns:
                upto = min(upto, seat.since_ns + min(change, NEVER - seat.since_ns))
                break
            row += 1
        seat.load = row
        if np.isnan(watts):
            watts = fold.load_gpu_w[row]
        if np.isnan(load):
            load = fold.load_cpu_load[row]
    seat.next_ns, seat.state, seat.gpu_w, seat.cpu_load = upto, state, watts, load


@inner
def loss_factor(kind, dc_w):
    """W lost in the power supplies for each W of a DC load; see ``profiles.power_laws.devices.psu_loss_w``."""
    load, last = dc_w / kind.rated_w, kind.n_points - 1
    if load <= kind.points[0].load:
        return 1.0 / kind.points[0].efficiency - 1.0
    for i in range(1, last + 1):
        after = kind.points[i]
        if load <= after.load:
            before = kind.points[i - 1]
            share = (load - before.load) / (after.load - before.load)
            return 1.0 / (before.efficiency + share * (after.efficiency - before.efficiency)) - 1.0
    return 1.0 / kind.points[last].efficiency - 1.0


@inner
def draw(fold, kind, scale, offset_w, state, n):
    """W of a node by holder and column, for the ``n`` seats taken."""
    seats, watts, columns = fold.seats, fold.watts, fold.n_columns
    whole = kind.slots * MILLI
    free = whole
    for i in range(1, n + 1):
        free -= seats[i].milli
    seats[NOBODY].milli = free
    if state in (OFF, FAILED):
        for i in range(n + 1):
            for c in range(kind.columns):
                watts[i * columns + c] = 0.0
            watts[i * columns + kind.standing] = kind.standby_w * (seats[i].milli / whole)
        return
    cpu, load = 0, 0.0
    if kind.has_gpu:
        cpu = 1
        watts[0] = free / MILLI * kind.gpu_idle_w * scale + free / MILLI * offset_w
    for i in range(1, n + 1):
        seat = seats[i]
        if cpu:
            watts[i * columns] = seat.milli / MILLI * seat.gpu_w * scale + seat.milli / MILLI * offset_w
        if seat.state == ACTIVE:
            load += seat.cpu_load * seat.cpu_share
    per_load_w = 0.0
    if load > 0.0:
        per_load_w = kind.sockets * (kind.cpu_full_w - kind.cpu_idle_w) * load**kind.cpu_exponent / load
    idle_w = kind.sockets * kind.cpu_idle_w
    dc = cpu + 1 + kind.n_parts
    total_w = 0.0
    for i in range(n + 1):
        seat, first = seats[i], i * columns
        share = seat.milli / whole
        at_work = i != NOBODY and seat.state == ACTIVE
        watts[first + cpu] = idle_w * share
        if at_work:
            watts[first + cpu] += per_load_w * seat.cpu_load * seat.cpu_share
        for k in range(kind.n_parts):
            part = kind.parts[k]
            watts[first + cpu + 1 + k] = (part.active_w if at_work else part.idle_w) * share
        for c in range(dc):
            total_w += watts[first + c]
    if state != ON:
        wanted_w = kind.boot_w if state == BOOTING else kind.shutdown_w
        in_transition(fold, whole, n, cpu, dc, total_w, wanted_w)
        total_w = wanted_w
    if kind.n_points:
        factor = loss_factor(kind, total_w)
        for i in range(n + 1):
            own_w = 0.0
            for c in range(dc):
                own_w += watts[i * columns + c]
            watts[i * columns + dc] = own_w * factor


@inner
def in_transition(fold, whole, n, cpu, dc, rest_w, wanted_w):
    """The power of a node on its way up or down: more than at rest is CPUs at work, less is all parts scaled alike."""
    watts, columns = fold.watts, fold.n_columns
    for i in range(n + 1):
        if wanted_w >= rest_w:
            watts[i * columns + cpu] += (wanted_w - rest_w) * (fold.seats[i].milli / whole)
        else:
            for c in range(dc):
                watts[i * columns + c] *= wanted_w / rest_w


@inner
def block_of(fold, kind, owner, state):
    """Where the books have the slots of a kind of node that an owner holds in a state."""
    return fold.block[(kind.family * (fold.n_owners + 1) + owner) * HOLDER_STATE_COUNT + state]


@inner
def book(fold, block, stint, active, row, columns, milli, slots, start, end, bin_):
    """Books row ``row`` of the watts from ``start`` in a bin to ``end``: ``slots`` whole ones and ``milli`` beyond
    them. Stint -1 is nobody's."""
    watts, first = fold.watts, row * fold.n_columns
    total_w = 0.0
    for c in range(columns):
        total_w += watts[first + c]
    held = slots + milli / MILLI
    while start < end:
        until = min(end, fold.edges_ns[bin_ + 1])
        span = until - start
        seconds = span * SECONDS_PER_NS
        at_bin = block * fold.n_bins + bin_
        for c in range(columns):
            fold.energy_j[at_bin * fold.n_columns + c] += watts[first + c] * seconds
        fold.slot_ns[at_bin] += slots * span
        if milli:  # in two steps, so that no product overflows
            rest = fold.milli_ns[at_bin] + milli * (span % MILLI)
            fold.slot_ns[at_bin] += milli * (span // MILLI) + rest // MILLI
            fold.milli_ns[at_bin] = rest % MILLI
        if stint >= 0:
            mine = fold.first[stint] + bin_ - fold.first_bin[stint]
            fold.stint_j[mine] += total_w * seconds
            fold.stint_slot_s[mine] += held * seconds
            if active:
                fold.stint_active_s[mine] += held * seconds
        start = until
        bin_ += 1


@inner
def next_bin(fold, bin_, now):
    """The bin that an instant is in, from one before it on."""
    while bin_ + 1 < fold.n_bins and fold.edges_ns[bin_ + 1] <= now:
        bin_ += 1
    return bin_


@inner
def on_throughout(fold, machine, start, end):
    """Whether a node is on from one instant to another."""
    first, last = machine.first_change, machine.first_change + machine.n_changes
    low, high = first, last
    while low < high:  # the first change after the start
        middle = (low + high) // 2
        if fold.change_ns[middle] <= start:
            low = middle + 1
        else:
            high = middle
    if low > first and fold.change_state[low - 1] != ON:
        return False
    while low < last and fold.change_ns[low] < end:
        if fold.change_state[low] != ON:
            return False
        low += 1
    return True


@inner
def groups(fold):
    """Books what stints draw on nodes that they have to themselves, and notes which these are: those of the kind, and
    with the part of the CPUs, of the first of them."""
    for stint in range(fold.n_stints):
        start, end = fold.start_ns[stint], fold.end_ns[stint]
        n, kind_number, cpu_share = 0, -1, 0.0
        if start < end:
            for place in range(fold.first_place[stint], fold.first_place[stint + 1]):
                machine = fold.machines[fold.node[place]]
                whole = fold.kinds[machine.kind].slots * MILLI
                if machine.hosts or fold.milli[place] != whole or not on_throughout(fold, machine, start, end):
                    continue
                if not n:
                    kind_number, cpu_share = machine.kind, fold.cpu_share[place]
                if machine.kind == kind_number and fold.cpu_share[place] == cpu_share:
                    fold.grouped[place] = 1
                    fold.scales[n], fold.offsets_w[n] = machine.gpu_scale, machine.gpu_offset_w
                    n += 1
        if n:
            group(fold, fold.kinds[kind_number], n, stint, cpu_share)


@inner
def group(fold, kind, n, stint, cpu_share):
    """Books what a stint draws on ``n`` nodes of a kind, all of them its own."""
    scale, offset_w, alike = fold.scales[0], fold.offsets_w[0], True
    for i in range(n):
        alike = alike and fold.scales[i] == scale and fold.offsets_w[i] == offset_w
    seat, watts, first = fold.seats[1], fold.watts, fold.n_columns
    sit(fold, seat, stint, kind.slots * MILLI, cpu_share)
    now, bin_ = fold.start_ns[stint], fold.first_bin[stint]
    while now < seat.end_ns:
        advance(fold, seat, now)
        draw(fold, kind, scale, offset_w, ON, 1)
        if alike:
            for c in range(kind.columns):
                watts[first + c] *= n
        else:
            of_all(fold, kind, n)
        block = block_of(fold, kind, seat.owner, seat.state)
        book(fold, block, stint, seat.state == ACTIVE, 1, kind.columns, 0, n * kind.slots, now, seat.next_ns, bin_)
        now = seat.next_ns
        bin_ = next_bin(fold, bin_, now)


@inner
def of_all(fold, kind, n):
    """Row 1 of the watts, of a node whose GPUs are like those of the first, as the sum of ``n`` whose GPUs are not."""
    watts, first, dc = fold.watts, fold.n_columns, kind.columns - (1 if kind.n_points else 0)
    others_w = 0.0
    for c in range(1, dc):
        others_w += watts[first + c]
        watts[first + c] *= n
    gpus_w = fold.seats[1].gpu_w * kind.slots
    watts[first] = 0.0
    losses_w = 0.0
    for i in range(n):
        boards_w = gpus_w * fold.scales[i] + fold.offsets_w[i] * kind.slots
        watts[first] += boards_w
        if kind.n_points:
            dc_w = others_w + boards_w
            losses_w += dc_w * loss_factor(kind, dc_w)
    if kind.n_points:
        watts[first + dc] = losses_w


@inner
def sweep(fold, machine):
    """Books everything of one node but what groups have booked."""
    kind, seats = fold.kinds[machine.kind], fold.seats
    place, places = machine.first_place, machine.first_place + machine.n_places
    change, changes = machine.first_change, machine.first_change + machine.n_changes
    end_ns = fold.edges_ns[fold.n_bins]
    state, n, now, bin_ = ON, 0, 0, 0
    while now < end_ns:
        while change < changes and fold.change_ns[change] <= now:
            state = fold.change_state[change]
            change += 1
        i = 1
        while i <= n:
            if seats[i].end_ns <= now:
                move(seats[n], seats[i])
                n -= 1
            else:
                if seats[i].next_ns <= now:
                    advance(fold, seats[i], now)
                i += 1
        away = now
        while place < places and away == now and fold.start_ns[fold.stint_of[fold.order[place]]] <= now:
            taken = fold.order[place]
            stint = fold.stint_of[taken]
            place += 1
            if fold.grouped[taken]:
                away = fold.end_ns[stint]
            elif fold.end_ns[stint] > now:
                n += 1
                sit(fold, seats[n], stint, fold.milli[taken], fold.cpu_share[taken])
                advance(fold, seats[n], now)
        if away == now:
            until = end_ns
            if change < changes:
                until = min(until, fold.change_ns[change])
            if place < places:
                until = min(until, fold.start_ns[fold.stint_of[fold.order[place]]])
            for i in range(1, n + 1):
                until = min(until, seats[i].next_ns)
            draw(fold, kind, machine.gpu_scale, machine.gpu_offset_w, state, n)
            for i in range(1, n + 1):
                seat = seats[i]
                block, active = block_of(fold, kind, seat.owner, seat.state), seat.state == ACTIVE
                slots, milli = seat.milli // MILLI, seat.milli % MILLI
                book(fold, block, seat.stint, active, i, kind.columns, milli, slots, now, until, bin_)
            free = seats[NOBODY].milli
            if free:
                block = block_of(fold, kind, fold.n_owners, OF_NOBODY[state])
                book(fold, block, -1, False, NOBODY, kind.columns, free % MILLI, free // MILLI, now, until, bin_)
            away = until
        now = away
        bin_ = next_bin(fold, bin_, now)


@entry
def call(address):
    """Books all that a log says was drawn."""
    fold = fold_at(address)
    for stint in range(fold.n_stints):
        for place in range(fold.first_place[stint], fold.first_place[stint + 1]):
            fold.stint_of[place] = stint
            fold.machines[fold.node[place]].n_places += 1
    filled = 0
    for node in range(fold.n_nodes):
        machine = fold.machines[node]
        machine.first_place = filled
        filled += machine.n_places
        machine.n_places = 0
    for place in range(fold.n_places):  # stints are in the order of time, so each node's places are
        machine = fold.machines[fold.node[place]]
        fold.order[machine.first_place + machine.n_places] = place
        machine.n_places += 1
    groups(fold)
    for node in range(fold.n_nodes):
        if fold.machines[node].swept:
            sweep(fold, fold.machines[node])
    return fold.n_places
