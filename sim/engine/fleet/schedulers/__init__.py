"""Schedulers: who of those that wait starts next, who makes room, and who grows. One small file an idea."""
