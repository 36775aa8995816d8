"""Served models and networks as written -> what an iteration or a batch of them costs, and plans of replicas."""
