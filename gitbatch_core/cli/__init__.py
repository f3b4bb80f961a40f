"""The command `gitbatch`: one module per verb, found and started by `main`."""
