"""Machines and who holds them: nodes, gangs of slots, images, users' devices, and what breaks."""
