"""Where compilers would be."""

CUDA_HOME = None
ROCM_HOME = None
