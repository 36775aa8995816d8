"""How a number of a summary came about: its formula with the numbers put in, its inputs, and how well they are known."""
