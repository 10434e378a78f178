"""Rules of HTTP as plain values, free of routes and, where it can be, of Django's request."""
