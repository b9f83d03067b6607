"""Where pixels come from and where masks go."""
