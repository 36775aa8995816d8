"""How wrong the simulator is on measured data, each group of rows predicted from the others alone."""
