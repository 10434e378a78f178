"""Not a route."""
