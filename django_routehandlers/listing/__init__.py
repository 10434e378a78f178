"""Routes for people: the rows, the tree and the explanations that ``show_routes`` prints."""
