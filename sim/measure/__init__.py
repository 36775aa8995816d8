"""Live meters, other people's recordings, calibration of profiles, and validation against what was measured."""
