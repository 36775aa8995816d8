"""A training step from first principles: what a parallel job computes, moves and waits for, and what it draws."""
