"""What must hold for runs to work here, looked at one by one: `gitbatch doctor`."""
