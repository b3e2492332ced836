"""`python -m microtutor.cli`, where the word `microtutor` would start another Python."""

from microtutor.cli import main

if __name__ == "__main__":
    main()
