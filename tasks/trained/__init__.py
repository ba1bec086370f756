"""Trained models: where they are, read with care, asked."""
