"""The published record: results of papers, held against runs of scenarios that carry them."""
