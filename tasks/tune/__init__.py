"""Stage `tune`: random search over the optimized network's family, on the validation fold."""
