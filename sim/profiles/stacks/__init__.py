"""What software makes of the hardware: serving, training and denoising stacks, as profiles of constants."""
