"""Trainings as processes: a job's run on its gang, checkpoints and recovery, campaigns and federated rounds."""
