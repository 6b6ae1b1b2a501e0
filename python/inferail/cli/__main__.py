"""`python -m inferail.cli`: the command without its script."""

from inferail.cli.command import main

if __name__ == "__main__":
    main()
