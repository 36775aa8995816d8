"""What tokens reach in layers with a window: the last tokens, or those of the chunk that a token is in."""

from sim.engine.serving.compiled import inner


@inner
def within(pool, tokens):
    """How many of so many tokens the last of them reaches, itself included."""
    if pool.chunked:
        return (tokens - 1) % pool.window + 1
    return min(tokens, pool.window)


@inner
def triangle(n):
    """1 + 2 + ... + n."""
    return n * (n + 1) // 2


@inner
def pairs_within(pool, context, new):
    """What so many new tokens behind a context reach, all together."""
    window = pool.window
    if pool.chunked:
        before, after = context // window, (context + new) // window
        whole = (after - before) * triangle(window)
        return whole + triangle((context + new) % window) - triangle(context % window)
    rising = min(max(window - context, 0), new)
    return rising * context + triangle(rising) + (new - rising) * window
