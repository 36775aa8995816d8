"""Live meters of this machine (NVML, RAPL) and the loop that samples them."""
