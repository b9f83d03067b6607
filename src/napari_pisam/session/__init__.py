"""What a person is doing with one image: evented state and its commands, without a window."""
