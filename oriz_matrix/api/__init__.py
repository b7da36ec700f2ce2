"""The tables: every endpoint as a thin function, one package for each surface, one file for each section."""
