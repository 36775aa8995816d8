"""Models in training as written -> their work on a gang: memory, steps, topology; campaigns and federated rounds."""
