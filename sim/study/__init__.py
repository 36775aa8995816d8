"""Studies: many variants of one scenario, run on this machine or a cluster, and never a point lost."""
