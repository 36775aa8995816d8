"""A scenario beside its real site: power from a Prometheus server, the twin over the same window, and the drift."""
