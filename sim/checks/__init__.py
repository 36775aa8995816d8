"""What is wrong with a scenario, told before anything runs: every problem at once, with its place and remedy."""
