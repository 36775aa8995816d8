"""What the hardware is: power, speed, memory and embodied carbon, each number with its source. See ``catalog``."""

from sim.profiles.catalog import Catalog
from sim.profiles.machines.gpu import GPUProfile
from sim.profiles.machines.node import CPUProfile, NodeProfile

__all__ = ["CPUProfile", "Catalog", "GPUProfile", "NodeProfile"]
