"""What a run tells of itself at its end: costs, efficiency, notifications."""
