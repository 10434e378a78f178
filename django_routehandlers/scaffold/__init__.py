"""New route files: which one is meant, what stands in it, and how it gets to its place."""
