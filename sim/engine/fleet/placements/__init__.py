"""Placements: on which nodes of its pools a request starts. One small file an idea."""
