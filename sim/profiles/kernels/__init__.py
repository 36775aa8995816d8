"""Single kernels on a GPU: their work, how long they take, what they draw. Measured ones are in ``kernel_tables``."""
