"""What stands around the machines as written: grid, weather, building and what is generated or stored on site."""
