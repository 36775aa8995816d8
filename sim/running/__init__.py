"""One run, and a finished run priced anew."""
