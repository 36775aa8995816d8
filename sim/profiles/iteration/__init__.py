"""An iteration of a language model on its GPUs: kernels and messages, their time and energy, and what a cap leaves."""
