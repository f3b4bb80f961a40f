"""Runs that were: their documents, what users ask of them and do with them."""
