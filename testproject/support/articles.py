"""The help articles, by their path."""

from collections.abc import Mapping

ARTICLES: Mapping[tuple[str, ...], str] = {
    (): "What can we help you with?",
    ("orders",): "An order is on its way within two days.",
    ("orders", "returns"): "Send it back within thirty days, and we send you the money.",
    ("care", "wood"): "Oil it once a year.",
}
