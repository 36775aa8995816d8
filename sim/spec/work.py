"""What every workload answers of itself, whatever it is."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from sim.documents import KeyPath
from sim.kinds import Choice
from sim.spec.cluster import Wanted

NOBODY_WAITS = (
    "with none left nobody may wait, so that none is ever started again: needs 'min' of 1 or more, or a 'queue_limit' "
    "of 1 or more"
)


class Workload(Choice):
    """Work that holds GPUs."""

    family: ClassVar[str] = "workload"
    counts: ClassVar[tuple[str, ...]] = ()
    """What of it the SCI may be per, beside the run."""

    @property
    def files(self) -> tuple[tuple[KeyPath, str], ...]:
        """Every file that is read for it, with its path below the workload."""
        return ()

    @property
    @abstractmethod
    def wanted(self) -> tuple[Wanted, ...]:
        """The GPUs that it may come to hold at once."""
