"""Who ends next: a heap of the jobs that run."""

from sim.engine.serving.compiled import inner


@inner
def push(fleet, at_ns, row):
    """A job will end then."""
    ends = fleet.ends
    i = fleet.n_ends
    fleet.n_ends += 1
    while i:
        up = (i - 1) >> 1
        above = ends[up]
        if above.at_ns <= at_ns:
            break
        ends[i].at_ns, ends[i].row = above.at_ns, above.row
        i = up
    ends[i].at_ns, ends[i].row = at_ns, row


@inner
def drop_first(fleet):
    """Takes the next to end off the heap. Those of one instant end in any order: they are all gone before anybody
    looks."""
    ends = fleet.ends
    n = fleet.n_ends - 1
    fleet.n_ends = n
    at_ns, row = ends[n].at_ns, ends[n].row
    i = 0
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        if child + 1 < n and ends[child + 1].at_ns < ends[child].at_ns:
            child += 1
        if at_ns <= ends[child].at_ns:
            break
        ends[i].at_ns, ends[i].row = ends[child].at_ns, ends[child].row
        i = child
    ends[i].at_ns, ends[i].row = at_ns, row
