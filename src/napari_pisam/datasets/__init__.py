"""Images with their truth: labelled folders, the TOML tables that list them, synthetic tissue."""
