"""How a wheel has its packages, so that it can be installed beside others of the same names.

In a checkout `datasets`, `models` and the others are on the top level. In a wheel they are in `open_lth.packages`, and
imports of them are written so; of their old names, those that nobody else has still lead to them.
"""
