"""Images of one's own: found, read, put to an experiment's models, scored against a truth."""
