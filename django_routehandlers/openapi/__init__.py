"""Turn the table of routes into an OpenAPI 3.1 document, and serve it with a page that shows it."""
