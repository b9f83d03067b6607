"""`python -m napari_pisam.cli`, which `torchrun -m` needs."""

import sys

from napari_pisam.cli import main

if __name__ == "__main__":
    sys.exit(main())
