"""What the compiled pool keeps of a request: its slot from arrival on, and its seat once it has been admitted.

As in ``records`` everything is an int, and -1 where there is nothing.
"""

from sim.engine.serving.layout import Flag, Record, Small


class Request(Record, lines=True):
    """A request in the system, in its slot: all that is known of one that waits. Millions may, where a service is
    overloaded, so there is little of it; what a batch needs of it stands in its seat. What is needed more than once
    stands in the first line."""

    slot: Small
    """Its row in ``Pool.requests``."""
    next: Small
    """Slot of the next in its queue, or -1."""
    prev: Small
    replica: Small
    """Index of the replica that holds it; -1 in the backlog."""
    where: Small
    """``WAITING``, ``RUNNING``, ``MOVING`` between replicas, or ``AWAY``."""
    ready: Small
    """Whether its context is computed, so that it only needs room to decode."""
    context: Small
    """Tokens in its KV cache; those of the decode it is in are added when it leaves."""
    target: Small
    """Tokens its prefill must reach."""
    seat: Small
    """Its row in ``Pool.seats`` once it has ever been admitted, or -1."""
    prompt: Small
    """Tokens."""
    output: Small
    """Tokens."""
    priority: Small
    """Its class; 0 goes first."""
    finish_key: int
    """Its entry in ``Replica.finishes`` while it decodes, else -1; entries that differ are stale."""
    joined_at: int
    """Number of the replica's iteration at which it joined the decodes."""
    arrival_ns: int
    scheduled_ns: int
    """When it was first admitted to a batch, in this attempt."""
    first_ns: int
    """When its first token came."""
    ordinal: int
    """Its place in the order of arrivals; no two requests share one."""
    session: int
    """Whose conversation it belongs to, or -1."""
    first_hash: int
    """Index in ``Pool.hashes`` of the first hashed block of its prompt."""
    hashes: Small
    """How many hashed blocks its prompt has; 0 in a slot that is free."""
    attempts: Small
    stamp: int
    """Events that bear an older one are stale."""


class Seat(Record, lines=True):
    """What has become of a request that was admitted to a batch, until it is done with: one line."""

    last_ns: int
    """When its last token came."""
    decode_ns: int
    """Its share of the time of decodes; while it decodes, the replica's ``share_ns`` when it joined."""
    decode_nj: int
    """The same of their dynamic energy."""
    prefill_ns: int
    """Its share of the time of iterations, for its prompt."""
    prefill_nj: int
    """Its share of their dynamic energy, for its prompt."""
    emitted: Small
    """Tokens of its output so far; those of the decode it is in are added when it leaves."""
    padded_output: Small
    """Tokens of the longest output of its closed batch; 0 outside of one."""
    held: Small
    """Leading hashed blocks it holds a reference on."""
    chunk: Small
    """Tokens of its prompt in the iteration that its replica is in."""
    next_chunk: Small
    """Slot of the request whose prompt comes next in that iteration, or -1."""
    kv_grows: Flag
    """Whether its layers with a window keep more with every token, while it decodes."""
    abandoned: Flag
    """Whether its user has given up while it runs."""
    swapped: Flag
    """Whether its KV cache lies in the host's memory."""
    has_more: Flag
    """Whether there is anything in its row of ``Pool.more``."""


class More(Record):
    """What is kept of a few: their rows are not touched for the others."""

    decode_ns: int
    """While it decodes, its share of decodes before."""
    decode_nj: int
    own_nj: int
    """Energy of reading its own context since it joined, with drafts."""
    padded_prompt: Small
    """Tokens of the longest prompt of its closed batch."""
    cached: Small
    """Tokens of its prompt found in the prefix cache."""
    preemptions: Small
    turns: Small
    """Random draws it has made while decoding with drafts."""
    steps: Small
    """Steps that brought it a token or more, after the first; counted with drafts only."""
