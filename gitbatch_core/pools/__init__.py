"""Where jobs run: HTCondor, or this machine."""
