"""Pools as written -> the machines of them: nodes, their units, slices, who shares a GPU, and what fails."""
