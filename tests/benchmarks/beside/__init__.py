"""What ``side_by_side.py`` compares: the same work, one module for each framework; and how it is measured."""
