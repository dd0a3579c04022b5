"""`python -m amzigo_pipelines.cli` is the `amzigo` command, for processes that we start ourselves."""

from amzigo_pipelines.cli.main import main

if __name__ == "__main__":
    main()
