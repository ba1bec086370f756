"""The page that a person judges the results by: `reports/index.html`, one file with all in it."""
