"""Which part of an image a prediction rests on, and whether that is the lesion."""
