"""The worktree as the mirror of the user's folder, for everything that the workflow declares."""
