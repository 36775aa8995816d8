"""What the hardware is: power, speed, memory and embodied carbon, each number with its source. See ``catalog``."""

from sim.profiles.catalog import Catalog
from sim.profiles.hardware import CPUProfile, GPUProfile, NodeProfile

__all__ = ["CPUProfile", "Catalog", "GPUProfile", "NodeProfile"]
