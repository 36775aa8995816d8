"""How many replicas a load wants: the rule of Kubernetes' Horizontal Pod Autoscaler."""

from __future__ import annotations

from math import ceil

TOLERANCE = 0.1


def replicas_for(up: int, ratio: float) -> int:
    """``up`` replicas times ``ratio`` (load over target), rounded up; ``up`` where the ratio is within a tenth of 1.

    Source: Kubernetes documentation, Horizontal Pod Autoscaling, algorithm details (tolerance 0.1 by default).
    """
    return up if abs(ratio - 1.0) <= TOLERANCE else ceil(up * ratio)
