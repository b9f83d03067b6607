"""How good the masks are, and how many clicks they take."""
