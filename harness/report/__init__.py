"""Reports: the folder of a run, and what is made from it. Speaks to the rest through files; judges nothing."""
