"""An experiment's models for use elsewhere."""
