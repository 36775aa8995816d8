"""What accounts go by: prices and factors of a ledger, conventions, and what was emitted to make things."""
