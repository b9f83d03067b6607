"""Masks and where they lie in the image: placed, packed, cleaned, compared by their boxes."""
