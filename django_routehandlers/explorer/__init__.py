"""The page that explores the routes: draws them, explains URLs, sends requests."""
