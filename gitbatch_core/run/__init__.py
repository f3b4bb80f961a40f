"""One run while it lasts: its worktree, its mirror of the user's folder, its commit at the end."""
