"""`python -m calcbench` is the command `calcbench`."""

from calcbench.bench.cli.main import main

if __name__ == "__main__":
    main()
