"""Power that is shared: limits of nodes, racks, rows, feeds and sites, and who draws less so that they hold."""
