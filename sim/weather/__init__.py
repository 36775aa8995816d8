"""The weather at a site: see ``series``, the readers of files beside it, and ``psychrometrics`` for moist air."""
