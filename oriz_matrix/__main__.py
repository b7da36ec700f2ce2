"""`python -m oriz_matrix` is the command `oriz`."""

from oriz_matrix.app.cli import main

if __name__ == "__main__":
    main(prog_name="oriz")
