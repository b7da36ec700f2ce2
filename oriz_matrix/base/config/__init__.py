"""The configuration: one YAML file, read into typed sections.

`model.py` and the files beside it define the options, `load.py` reads them, `sample.py` writes the sample file and the
reference page from the same definitions.
"""
