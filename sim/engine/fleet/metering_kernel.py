"""The fold over a log, compiled: ``metering_plain`` said again for Numba, and held equal to it.

Nodes that a stint has whole, and that are on all the while, draw alike: they are one node, so many times. Every other
node is swept alone, from event to event: a stint begins or ends on it, a pace or a load changes, it boots or fails.
Between events what each holder draws is a row of ``watts`` (``draws.node_draws`` in columns: the first row is what
nobody holds), and is booked bin by bin.
"""

import numpy as np

from sim.engine.fleet.logged import ACTIVE, BOOTING, FAILED, NEVER, OF_NOBODY, OFF, ON, STOPPING, reached_ns, work_ns
from sim.engine.serving.compiled import entry, inner
from sim.units import SECONDS_PER_NS
from sim.workload.allocations import MILLI

reached = inner(reached_ns)
work = inner(work_ns)
NOBODY = 0


@inner
def sit(seats, i, log, stint, milli, cpus):
    """Seat ``i`` is taken by a stint, before its first pace has begun."""
    first = log.first_pace[stint]
    seats.stint[i], seats.milli[i], seats.cpus[i] = stint, milli, cpus
    seats.pace[i], seats.since_ns[i] = first, log.pace_start_ns[first]
    seats.done_ns[i] = log.done_ns[stint]
    seats.load[i] = log.first_load[log.job[stint]]


@inner
def move(seats, i, j):
    """Who sits at ``i`` goes to ``j``."""
    seats.stint[j], seats.milli[j], seats.cpus[j] = seats.stint[i], seats.milli[i], seats.cpus[i]
    seats.pace[j], seats.since_ns[j], seats.done_ns[j] = seats.pace[i], seats.since_ns[i], seats.done_ns[i]
    seats.load[j], seats.next_ns[j], seats.state[j] = seats.load[i], seats.next_ns[i], seats.state[i]
    seats.gpu_w[j], seats.cpu_load[j] = seats.gpu_w[i], seats.cpu_load[i]


@inner
def advance(seats, i, log, now):
    """What seat ``i`` does at an instant of its stint, not before the one it was asked for last, and until when."""
    stint, pace = seats.stint[i], seats.pace[i]
    last, end = log.first_pace[stint + 1], log.end_ns[stint]
    while pace + 1 < last and log.pace_start_ns[pace + 1] <= now:
        until = log.pace_start_ns[pace + 1]
        seats.done_ns[i] += work(log.pace_rate[pace], until - seats.since_ns[i])
        seats.since_ns[i] = until
        pace += 1
    seats.pace[i] = pace
    upto = end if pace + 1 == last else min(end, log.pace_start_ns[pace + 1])
    watts, load = log.pace_gpu_w[pace], log.pace_cpu_load[pace]
    if log.pace_state[pace] == ACTIVE and (np.isnan(watts) or np.isnan(load)):
        row, rows = seats.load[i], log.first_load[log.job[stint] + 1]
        done, since, rate = seats.done_ns[i], seats.since_ns[i], log.pace_rate[pace]
        while row + 1 < rows:
            change = reached(log.load_offset_ns[row + 1] - done, rate)
            if change > now - since:
                upto = min(upto, since + min(change, NEVER - since))
                break
            row += 1
        seats.load[i] = row
        if np.isnan(watts):
            watts = log.load_gpu_w[row]
        if np.isnan(load):
            load = log.load_cpu_load[row]
    seats.next_ns[i], seats.state[i] = upto, log.pace_state[pace]
    seats.gpu_w[i], seats.cpu_load[i] = watts, load


@inner
def efficiency(kinds, kind, dc_w):
    """Of the power supplies at a DC load; see ``profiles.power.psu_loss_w``."""
    first, last = kinds.first_point[kind], kinds.first_point[kind + 1] - 1
    load = dc_w / kinds.rated_w[kind]
    if load <= kinds.point_load[first]:
        return kinds.point_efficiency[first]
    for i in range(first + 1, last + 1):
        if load <= kinds.point_load[i]:
            share = (load - kinds.point_load[i - 1]) / (kinds.point_load[i] - kinds.point_load[i - 1])
            before, after = kinds.point_efficiency[i - 1], kinds.point_efficiency[i]
            return before + share * (after - before)
    return kinds.point_efficiency[last]


@inner
def draw(kinds, kind, state, seats, n, watts):
    """W of a node by holder and component, for the ``n`` seats taken; returns what nobody holds, in thousandths."""
    whole = kinds.slots[kind] * MILLI
    free = whole
    for i in range(1, n + 1):
        free -= seats.milli[i]
    seats.milli[NOBODY] = free
    columns = kinds.columns[kind]
    if state in (OFF, FAILED):
        for i in range(n + 1):
            for c in range(columns):
                watts[i, c] = 0.0
            watts[i, kinds.standing[kind]] = kinds.standby_w[kind] * (seats.milli[i] / whole)
        return free
    scale, cpu = kinds.gpu_scale[kind], 0
    if kinds.has_gpu[kind]:
        cpu = 1
        watts[NOBODY, 0] = free / MILLI * kinds.gpu_idle_w[kind] * scale
        for i in range(1, n + 1):
            watts[i, 0] = seats.milli[i] / MILLI * seats.gpu_w[i] * scale
    load = 0.0
    for i in range(1, n + 1):
        if seats.state[i] == ACTIVE:
            load += seats.cpu_load[i] * seats.cpus[i]
    per_load_w = 0.0
    if load > 0.0:
        more_w = (kinds.cpu_full_w[kind] - kinds.cpu_idle_w[kind]) * load ** kinds.cpu_exponent[kind]
        per_load_w = kinds.sockets[kind] * more_w / load
    idle_w = kinds.sockets[kind] * kinds.cpu_idle_w[kind]
    first = kinds.first_part[kind]
    total_w = 0.0
    for i in range(n + 1):
        share = seats.milli[i] / whole
        at_work = i != NOBODY and seats.state[i] == ACTIVE
        watts[i, cpu] = idle_w * share + (per_load_w * seats.cpu_load[i] * seats.cpus[i] if at_work else 0.0)
        for k in range(first, kinds.first_part[kind + 1]):
            watts[i, cpu + 1 + k - first] = (kinds.part_active_w[k] if at_work else kinds.part_idle_w[k]) * share
        for c in range(cpu + 1 + kinds.first_part[kind + 1] - first):
            total_w += watts[i, c]
    if state in (BOOTING, STOPPING):
        wanted_w = kinds.boot_w[kind] if state == BOOTING else kinds.shutdown_w[kind]
        in_transition(kinds, kind, seats, n, watts, cpu, total_w, wanted_w)
        total_w = wanted_w
    if kinds.rated_w[kind] > 0.0:
        losses = 1.0 / efficiency(kinds, kind, total_w) - 1.0
        for i in range(n + 1):
            own_w = 0.0
            for c in range(columns - 1):
                own_w += watts[i, c]
            watts[i, columns - 1] = own_w * losses
    return free


@inner
def in_transition(kinds, kind, seats, n, watts, cpu, rest_w, wanted_w):
    """The power of a node on its way up or down: more than at rest is CPUs at work, less is all parts scaled alike."""
    dc = cpu + 1 + kinds.first_part[kind + 1] - kinds.first_part[kind]
    for i in range(n + 1):
        if wanted_w >= rest_w:
            watts[i, cpu] += (wanted_w - rest_w) * (seats.milli[i] / (kinds.slots[kind] * MILLI))
        else:
            for c in range(dc):
                watts[i, c] *= wanted_w / rest_w


@inner
def book(books, block, stint, active, watts, columns, milli, times, start, end, at):
    """Books a row of watts, ``times`` over, from ``start`` in bin ``at`` to ``end``. ``stint`` -1 is nobody's."""
    whole, part = milli // MILLI * times, milli % MILLI
    total_w = 0.0
    for c in range(columns):
        total_w += watts[c]
    while start < end:
        until = min(end, books.edges_ns[at + 1])
        span = until - start
        seconds = span * SECONDS_PER_NS * times
        for c in range(columns):
            books.energy_j[block, at, c] += watts[c] * seconds
        books.slot_ns[block, at] += whole * span
        if part:  # a slot's thousandths are of one node; in two steps, so that no product overflows
            rest = books.milli_ns[block, at] + part * (span % MILLI)
            books.slot_ns[block, at] += part * (span // MILLI) + rest // MILLI
            books.milli_ns[block, at] = rest % MILLI
        if stint >= 0:
            row = books.first[stint] + at - books.first_bin[stint]
            books.stint_j[row] += total_w * seconds
            books.stint_slot_s[row] += milli / MILLI * seconds
            if active:
                books.stint_active_s[row] += milli / MILLI * seconds
        start = until
        at += 1


@inner
def on_throughout(states, node, start, end):
    """Whether a node is on from one instant to another."""
    low, high = states.first[node], states.first[node + 1]
    begin = low
    while low < high:  # the first change after the start
        middle = (low + high) // 2
        if states.start_ns[middle] <= start:
            low = middle + 1
        else:
            high = middle
    if low > begin and states.state[low - 1] != ON:
        return False
    while low < states.first[node + 1] and states.start_ns[low] < end:
        if states.state[low] != ON:
            return False
        low += 1
    return True


@inner
def part_of_group(kinds, nodes, states, log, place, stint):
    """Whether a stint has this node to itself and on, from its beginning to its end."""
    node = log.node[place]
    if nodes.has_hosted[node] or log.milli[place] != kinds.slots[nodes.kind_of[node]] * MILLI:
        return False
    return on_throughout(states, node, log.start_ns[stint], log.end_ns[stint])


@inner
def fold_groups(kinds, nodes, states, log, books, seats, watts, counts, grouped):
    """Books what stints draw on nodes that they have to themselves, kind by kind, and notes which these are."""
    touched = np.empty(len(counts), np.int64)
    cpus_of = np.empty(len(counts), np.float64)
    for stint in range(len(log.job)):
        if log.start_ns[stint] >= log.end_ns[stint]:
            continue
        n = 0
        for place in range(log.first_place[stint], log.first_place[stint + 1]):
            if part_of_group(kinds, nodes, states, log, place, stint):
                kind = nodes.kind_of[log.node[place]]
                if counts[kind] and cpus_of[kind] != log.cpus[place]:
                    continue  # has other CPUs than its likes: it is swept
                grouped[place] = 1
                if not counts[kind]:
                    touched[n] = kind
                    cpus_of[kind] = log.cpus[place]
                    n += 1
                counts[kind] += 1
        for i in range(n):
            kind = touched[i]
            fold_group(kinds, kind, counts[kind], cpus_of[kind], log, books, seats, watts, stint)
            counts[kind] = 0


@inner
def fold_group(kinds, kind, times, cpus, log, books, seats, watts, stint):
    """Books what a stint draws on ``times`` nodes of a kind, all of them its own."""
    milli, columns = kinds.slots[kind] * MILLI, kinds.columns[kind]
    now, end, at = log.start_ns[stint], log.end_ns[stint], books.first_bin[stint]
    owner = log.owner[stint]
    sit(seats, 1, log, stint, milli, cpus)
    while now < end:
        advance(seats, 1, log, now)
        draw(kinds, kind, ON, seats, 1, watts)
        block, active = books.block[kinds.family[kind], owner, seats.state[1]], seats.state[1] == ACTIVE
        book(books, block, stint, active, watts[1], columns, milli, times, now, seats.next_ns[1], at)
        now = seats.next_ns[1]
        while at + 1 < len(books.edges_ns) - 1 and books.edges_ns[at + 1] <= now:
            at += 1


@inner
def sweep(kinds, nodes, states, log, books, seats, watts, node, order, first, last, grouped, stint_of):
    """Books everything of one node but what its groups have booked; ``order[first:last]`` are its places in time."""
    kind = nodes.kind_of[node]
    columns, nobody = kinds.columns[kind], len(books.block[0]) - 1
    end_ns = books.edges_ns[-1]
    change, changes = states.first[node], states.first[node + 1]
    state, n, now, at = ON, 0, 0, 0
    while now < end_ns:
        while change < changes and states.start_ns[change] <= now:
            state = states.state[change]
            change += 1
        i = 1
        while i <= n:
            if log.end_ns[seats.stint[i]] <= now:
                move(seats, n, i)
                n -= 1
                continue
            if seats.next_ns[i] <= now:
                advance(seats, i, log, now)
            i += 1
        away = now
        while first < last and log.start_ns[stint_of[order[first]]] <= now:
            place = order[first]
            stint = stint_of[place]
            first += 1
            if log.end_ns[stint] <= now:
                continue
            if grouped[place]:
                away = log.end_ns[stint]
                break
            n += 1
            sit(seats, n, log, stint, log.milli[place], log.cpus[place])
            advance(seats, n, log, now)
        if away > now:
            now = away
        else:
            until = end_ns if change == changes else min(end_ns, states.start_ns[change])
            if first < last:
                until = min(until, log.start_ns[stint_of[order[first]]])
            for i in range(1, n + 1):
                until = min(until, seats.next_ns[i])
            free = draw(kinds, kind, state, seats, n, watts)
            family = kinds.family[kind]
            for i in range(1, n + 1):
                stint, active = seats.stint[i], seats.state[i] == ACTIVE
                block = books.block[family, log.owner[stint], seats.state[i]]
                book(books, block, stint, active, watts[i], columns, seats.milli[i], 1, now, until, at)
            if free:
                block = books.block[family, nobody, OF_NOBODY[state]]
                book(books, block, -1, False, watts[NOBODY], columns, free, 1, now, until, at)
            now = until
        while at + 1 < len(books.edges_ns) - 1 and books.edges_ns[at + 1] <= now:
            at += 1


@entry
def fold(kinds, nodes, states, log, books, seats, watts):
    """Books all that a log says was drawn, into ``books``."""
    places = len(log.node)
    stint_of = np.empty(places, np.int64)
    begins = np.zeros(len(nodes.kind_of) + 1, np.int64)
    for stint in range(len(log.job)):
        for place in range(log.first_place[stint], log.first_place[stint + 1]):
            stint_of[place] = stint
            begins[log.node[place] + 1] += 1
    begins = np.cumsum(begins)
    order, filled = np.empty(places, np.int64), begins[:-1].copy()
    for place in range(places):  # stints are in the order of time, so each node's places are
        node = log.node[place]
        order[filled[node]] = place
        filled[node] += 1
    grouped = np.zeros(places, np.uint8)
    fold_groups(kinds, nodes, states, log, books, seats, watts, np.zeros(len(kinds.slots), np.int64), grouped)
    for node in range(len(nodes.kind_of)):
        sweep(
            kinds,
            nodes,
            states,
            log,
            books,
            seats,
            watts,
            node,
            order,
            begins[node],
            begins[node + 1],
            grouped,
            stint_of,
        )
    return places
