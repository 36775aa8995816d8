"""Networks that make pictures by denoising: their configurations, what a pass launches, and how long it takes."""
