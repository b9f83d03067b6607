"""The napari side: the only folder that imports Qt, napari, magicgui and superqt."""
