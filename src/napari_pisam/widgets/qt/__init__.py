"""What needs Qt and no panel: the worker thread, scheduling, the busy bar."""
