"""Readers and sample data of the plugin."""
