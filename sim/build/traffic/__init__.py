"""Requests as written -> the streams that workloads are sent: arrivals, routes between sites, relays between models."""
