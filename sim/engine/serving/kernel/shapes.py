"""KV blocks by tokens.

Blocks are nearly always a power of two, and a division takes longer than all else a request needs of its blocks.
"""

from sim.engine.serving.compiled import inner


@inner
def blocks_of(pool, tokens):
    """KV blocks of a sequence of so many tokens, as ``plan.Settings.kv_blocks``."""
    n = begun_blocks(pool, tokens)
    return pool.kv_full * n + pool.kv_windowed * min(n, pool.kv_window_blocks) + pool.kv_state


@inner
def begun_blocks(pool, tokens):
    """Blocks of tokens, the last perhaps not full."""
    if pool.block_shift >= 0:
        return (tokens + pool.block_tokens - 1) >> pool.block_shift
    return (tokens + pool.block_tokens - 1) // pool.block_tokens


@inner
def within_block(pool, tokens):
    """Tokens in the last block, if it is not full."""
    if pool.block_shift >= 0:
        return tokens & (pool.block_tokens - 1)
    return tokens % pool.block_tokens


@inner
def whole_blocks(pool, tokens):
    """Full blocks."""
    if pool.block_shift >= 0:
        return tokens >> pool.block_shift
    return tokens // pool.block_tokens
