"""Learning from labelled images."""
