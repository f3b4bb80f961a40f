"""The checks of `gitbatch doctor`: what runs need here, checked one by one."""
