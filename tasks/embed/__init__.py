"""Stage `embed`: what an ImageNet-trained network makes of the images, computed once and kept."""
