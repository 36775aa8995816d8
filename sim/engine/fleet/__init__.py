"""The fleet: what all pools can hold, who waits for it, and who decides which of them starts next, and where."""
