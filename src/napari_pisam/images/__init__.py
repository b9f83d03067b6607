"""Pixels in: sources, planes, bands, overviews, intensity windows, TIFF and Zarr."""
