"""Jobs as rows: the capacity of all pools in arrays, who holds what of it, and what that draws."""
