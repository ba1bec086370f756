"""What people run beside the stages: `python -m flows` lists it."""
