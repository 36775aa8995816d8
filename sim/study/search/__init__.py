"""The search for the best scenario within limits."""
