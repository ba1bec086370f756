"""What runs stages: for each by itself, side by side, and on a schedule."""
