"""HTCondor as a pool: jobs go to the schedd of this machine, and its event log reports what happens
to them."""
