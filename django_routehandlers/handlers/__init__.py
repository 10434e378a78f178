"""Functions to views: signatures, binding, dispatch, failures. Knows nothing of the file system."""
