"""The pure core: everything that decides. No clock, task, file or logger; values in, values out."""
