"""What takes how long and how much memory, beside the published program's steps, in one run."""
