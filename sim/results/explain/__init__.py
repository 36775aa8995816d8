"""How a number of a summary came about: its formula with the numbers in it, its inputs, and how well they are known."""
