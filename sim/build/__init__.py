"""A checked scenario made into what runs: files read, profiles looked up, everything in SI units."""
