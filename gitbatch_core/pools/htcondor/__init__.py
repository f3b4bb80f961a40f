"""The pool that is HTCondor: jobs go to the schedd of this machine, its event log says the rest."""
