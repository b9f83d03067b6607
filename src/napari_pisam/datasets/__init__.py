"""Labelled folders, their TOML records, and synthetic images with their truth."""
