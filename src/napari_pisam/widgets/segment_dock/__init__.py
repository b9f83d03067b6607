"""The dock widget for segmenting by pointing."""
