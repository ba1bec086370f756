"""Tables, archives and images from elsewhere, and what is wrong with them, in words."""
