"""What stands in a hall or a hand: GPUs, CPUs, nodes, devices; how units differ and fail, and what they are made of."""
