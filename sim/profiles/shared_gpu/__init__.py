"""One GPU held by several at once: which slices there are, who has which part, and how they slow each other."""
