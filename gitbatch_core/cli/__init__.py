"""The command `gitbatch`: one module per verb, which `main` imports and runs."""
