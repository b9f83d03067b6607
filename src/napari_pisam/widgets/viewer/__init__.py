"""The plugin in a napari viewer without Qt: mouse, keys, layers, label stores."""
