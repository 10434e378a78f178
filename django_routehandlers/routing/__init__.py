"""Folders to URLs: segments, discovery, loading, order, matching. Knows nothing of HTTP or caching."""
