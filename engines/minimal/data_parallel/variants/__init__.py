"""How engine cores of data-parallel ranks differ."""
