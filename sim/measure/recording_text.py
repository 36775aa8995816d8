"""A recording in a terminal: what each device drew, and what is missing."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from sim.measure.alike_faults import lines
from sim.measure.recording import Recording
from sim.results.formats import number
from sim.results.tables import plain_table


def recording_table(recording: Recording) -> RenderableType:
    """Mean power, energy and samples of each device; then how the sampling went, and every fault."""
    table = plain_table("device", "mean", "energy", "samples")
    for device in recording.devices:
        count = len(recording.of_device(device.name))
        table.add_row(f"{device.name}  {device.model}".strip(), *_drawn(recording, device.name), str(count))
    parts: list[RenderableType] = [table]
    sampling = recording.origin.get("sampling")
    if sampling:
        reached = sampling["hz_reached"]
        told = f"{sampling['seconds']:.1f} s at {sampling['hz_asked']:g} Hz"
        told += f", {reached:.3g} Hz reached" if reached is not None else ""
        told += f", {sampling['missed']} deadlines missed" if sampling["missed"] else ""
        parts.append(Text(told))
    return Group(*parts, *(Text(f"- {fault}") for fault in lines(recording.faults)))


def _drawn(recording: Recording, name: str) -> tuple[str, str]:
    """Mean power and energy, or nothing where they are not known."""
    try:
        drawn = recording.metered(name)
    except ValueError:
        return "", ""
    return (f"{number(drawn.watts)} W" if drawn.seconds > 0 else ""), f"{number(drawn.energy_j)} J"
