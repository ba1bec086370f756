"""Measurements, as ratios side by side in one run; see each module."""
