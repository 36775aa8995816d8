"""Language models as published: their architecture, what a token costs, and the layers that are launched."""
