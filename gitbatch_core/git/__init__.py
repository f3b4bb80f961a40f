"""git as gitbatch uses it: worktrees and commits by plumbing; HEAD, index and branches stay."""
