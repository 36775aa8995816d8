"""A recording in a terminal: what each device drew, and what is missing."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from sim.measure.recording import Recording, energy_j
from sim.results.formats import number
from sim.results.tables import plain_table
from sim.units import SECONDS_PER_NS


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
    return Group(*parts, *(Text(f"- {fault}") for fault in _faults(recording)))


def _faults(recording: Recording) -> list[str]:
    """Each reason once, with all the devices it holds for."""
    devices: dict[str, list[str]] = {}
    for fault in recording.faults:
        named = devices.setdefault(fault.reason, [])
        named += [fault.device] if fault.device else []
    return [f"{', '.join(named)}: {reason}" if named else reason for reason, named in devices.items()]


def _drawn(recording: Recording, name: str) -> tuple[str, str]:
    """Mean power and energy, or nothing where they are not known."""
    samples = recording.of_device(name)
    try:
        joules = energy_j(samples)
    except ValueError:
        return "", ""
    known = samples[samples["energy_j" if samples["energy_j"].notna().sum() >= 2 else "power_w"].notna()]
    seconds = float(known["time_ns"].iloc[-1] - known["time_ns"].iloc[0]) * SECONDS_PER_NS
    return (f"{number(joules / seconds)} W" if seconds > 0 else ""), f"{number(joules)} J"
