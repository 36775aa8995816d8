"""The memories of the compiled fold over a log, field by field (see ``serving.layout``).

Times are ns from the start of the run, parts of slots are thousandths; nodes, kinds and stints are told by their rows.
"""

from sim.engine.serving.layout import Record, Rows


class Part(Record):
    """A ``Rest``."""

    idle_w: float
    active_w: float


class Point(Record):
    """Of the efficiency of power supplies, by load."""

    load: float
    efficiency: float


class Kind(Record):
    """A kind of node: a ``NodeHardware``, but for what its units draw. ``columns`` components make its row of watts."""

    family: int
    columns: int
    slots: int
    has_gpu: int
    gpu_idle_w: float
    sockets: float
    cpu_idle_w: float
    cpu_full_w: float
    cpu_exponent: float
    n_parts: int
    parts: Rows[Part]
    n_points: int
    """None without power supplies."""
    points: Rows[Point]
    rated_w: float
    standing: int
    """The column of the component that stands for the server itself."""
    standby_w: float
    boot_w: float
    shutdown_w: float


class Machine(Record):
    """A node: its kind, what its GPUs draw relative to that, and its power states: ``n_changes`` rows from
    ``first_change`` on, in time. ``hosts``: somebody had work on its CPUs without slots."""

    kind: int
    gpu_scale: float
    gpu_offset_w: float
    first_change: int
    n_changes: int
    hosts: int
    swept: int
    """Whether it is metered by the log at all."""
    first_place: int
    """Its places in ``Fold.order``."""
    n_places: int


class Seat(Record):
    """Who holds something of a node at an instant, and what they do there until ``next_ns``; seat 0 is nobody's."""

    stint: int
    owner: int
    milli: int
    cpu_share: float
    pace: int
    since_ns: int
    """When the pace began."""
    done_ns: int
    """Work done by then."""
    load: int
    end_ns: int
    next_ns: int
    state: int
    gpu_w: float
    cpu_load: float


class Fold(Record):
    """A log (``Allocations``, ``Loads``), its machines, and the books. A block of the books is a family of nodes (a
    pool's, of one profile), an owner (the last is nobody) and a state of slots; J by block, bin and column, slots times
    ns and thousandths beyond by block and bin. Stint ``s`` has a row a bin from ``first[s]`` on, the first for
    ``first_bin[s]``."""

    n_stints: int
    n_places: int
    n_nodes: int
    job: Rows[int]
    owner: Rows[int]
    start_ns: Rows[int]
    end_ns: Rows[int]
    done_ns: Rows[int]
    first_place: Rows[int]
    node: Rows[int]
    milli: Rows[int]
    cpu_share: Rows[float]
    first_pace: Rows[int]
    pace_start_ns: Rows[int]
    pace_state: Rows[int]
    pace_gpu_w: Rows[float]
    pace_cpu_load: Rows[float]
    pace_rate: Rows[float]
    first_load: Rows[int]
    load_offset_ns: Rows[int]
    load_gpu_w: Rows[float]
    load_cpu_load: Rows[float]
    change_ns: Rows[int]
    change_state: Rows[int]
    machines: Rows[Machine]
    kinds: Rows[Kind]
    seats: Rows[Seat]
    watts: Rows[float]
    """By seat and column."""
    stint_of: Rows[int]
    """Of each place."""
    order: Rows[int]
    """Places by node and time."""
    grouped: Rows[int]
    """Of each place: whether a group has booked it."""
    scales: Rows[float]
    """Room for those of the nodes of one group."""
    offsets_w: Rows[float]
    edges_ns: Rows[int]
    n_bins: int
    n_columns: int
    n_owners: int
    block: Rows[int]
    energy_j: Rows[float]
    slot_ns: Rows[int]
    milli_ns: Rows[int]
    first: Rows[int]
    first_bin: Rows[int]
    stint_j: Rows[float]
    stint_slot_s: Rows[float]
    stint_active_s: Rows[float]
