"""Results as files: labels TIFF, and images of the objects over the image as PNG."""
