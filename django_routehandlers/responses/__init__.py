"""Turn what a handler returns, yields or raises into the response that is sent."""
