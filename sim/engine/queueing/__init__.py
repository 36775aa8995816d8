"""Services without tokens: equal replicas behind one queue, how many there are, and relays between services."""
