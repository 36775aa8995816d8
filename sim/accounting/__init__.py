"""Pure folds over the ledger: what the energy of a run means in carbon, water and money.

``ledger`` holds the joules, ``conventions`` says which of them count, ``footprint`` folds them with the grid, the
facility and the embodied carbon, ``metrics`` condenses requests and jobs.
"""
