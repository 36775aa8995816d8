"""Jobs as rows: the table that every trace is read into and every law generates."""
